/** One metric: what it is called, what it counts, and by what it is told apart. */
export interface Metric {
  /** `counter` only rises, `gauge` is what is so now, `histogram` is how long things took. */
  readonly kind: "counter" | "gauge" | "histogram";
  /** In the notation of UCUM: `s`, `By`, `1`; in braces, what is counted. */
  readonly unit: string;
  readonly description: string;
  /** All labels there are: each has few values, none of which a caller can choose or multiply. */
  readonly labels: readonly string[];
}

/**
 * Every metric there is: whoever records another one writes it down here first. Those of calls, of Node and of the process are named
 * by OpenTelemetry's semantic conventions; `zt.` is ours.
 */
export const metricTable = {
  "rpc.server.call.duration": {
    kind: "histogram",
    unit: "s",
    description: "Duration of calls that were served or refused, from their headers to their status.",
    labels: ["rpc.system.name", "rpc.method", "rpc.status_code"],
  },
  "rpc.client.call.duration": {
    kind: "histogram",
    unit: "s",
    description: "Duration of calls to other services, retries included.",
    labels: ["rpc.system.name", "rpc.method", "rpc.status_code"],
  },
  "zt.decisions": {
    kind: "counter",
    unit: "{decision}",
    description: "Decisions on calls, by outcome and, where refused, by reason.",
    labels: ["rpc.method", "outcome", "reason"],
  },
  "zt.decision.duration": {
    kind: "histogram",
    unit: "s",
    description: "How long a call waited for its decision.",
    labels: ["outcome"],
  },
  "zt.handshakes.refused": {
    kind: "counter",
    unit: "{connection}",
    description: "Connections that were turned away before they carried a call, by the code of Node or OpenSSL.",
    labels: ["cause"],
  },
  "zt.connections": {
    kind: "gauge",
    unit: "{connection}",
    description: "Connections that are open.",
    labels: [],
  },
  "zt.ready": {
    kind: "gauge",
    unit: "1",
    description: "Whether all that calls depend on can be used: 1 or 0.",
    labels: [],
  },
  "zt.log.writable": {
    kind: "gauge",
    unit: "1",
    description: "Whether standard output took the last lines of the log: 1 or 0.",
    labels: [],
  },
  "zt.tls.expiry_timestamp_seconds": {
    kind: "gauge",
    unit: "s",
    description:
      "When this process's certificate, the one that its calls show, the first of its CAs and the first of its revocation lists end, Unix time.",
    labels: ["what"],
  },
  "zt.tls.reloads": {
    kind: "counter",
    unit: "{reload}",
    description: "Changes of the TLS folder that were taken, or rejected.",
    labels: ["result"],
  },
  "zt.sources.checked_timestamp_seconds": {
    kind: "gauge",
    unit: "s",
    description:
      "When a source of keys, grants or revocations was last read and good, Unix time: what changes later is not in force.",
    labels: ["source"],
  },
  "zt.nonces.remembered": {
    kind: "gauge",
    unit: "{nonce}",
    description: "Nonces that the store in memory remembers; it refuses signed calls when it is full.",
    labels: [],
  },
  "zt.outbox.orders": {
    kind: "gauge",
    unit: "{order}",
    description: "Orders that are acknowledged and not settled.",
    labels: [],
  },
  "zt.outbox.oldest_age_seconds": {
    kind: "gauge",
    unit: "s",
    description: "How long the oldest of them has waited; 0 when there is none.",
    labels: [],
  },
  "zt.signing_key.created_timestamp_seconds": {
    kind: "gauge",
    unit: "s",
    description: "When the key that signs tokens now was created, Unix time; absent when its file does not say.",
    labels: [],
  },
  "zt.signing_keys.published": {
    kind: "gauge",
    unit: "{key}",
    description: "Keys that the issuer publishes.",
    labels: [],
  },
  "zt.token_requests": {
    kind: "counter",
    unit: "{request}",
    description: "Requests for tokens and revocations, by outcome and, where refused, by OAuth error.",
    labels: ["endpoint", "outcome", "error"],
  },
  "zt.token_request.duration": {
    kind: "histogram",
    unit: "s",
    description: "How long such a request took.",
    labels: ["endpoint", "outcome"],
  },
  "zt.spans": {
    kind: "counter",
    unit: "{span}",
    description: "Spans that were exported, that the collector did not take, or that had no place in the queue.",
    labels: ["result"],
  },
  "nodejs.eventloop.delay.p50": {
    kind: "gauge",
    unit: "s",
    description: "Delay of the event loop since the last look, median.",
    labels: [],
  },
  "nodejs.eventloop.delay.p99": {
    kind: "gauge",
    unit: "s",
    description: "Delay of the event loop since the last look, 99th percentile.",
    labels: [],
  },
  "nodejs.eventloop.delay.max": {
    kind: "gauge",
    unit: "s",
    description: "Delay of the event loop since the last look, the longest.",
    labels: [],
  },
  "process.memory.usage": {
    kind: "gauge",
    unit: "By",
    description: "Memory that the process holds (resident set).",
    labels: [],
  },
  "v8js.memory.heap.used": {
    kind: "gauge",
    unit: "By",
    description: "Memory that JavaScript objects take.",
    labels: [],
  },
  "process.cpu.time": {
    kind: "counter",
    unit: "s",
    description: "Processor time that the process has used.",
    labels: [],
  },
  "process.uptime": {
    kind: "gauge",
    unit: "s",
    description: "How long the process has run.",
    labels: [],
  },
} as const;

/** The name of a metric. */
export type MetricName = keyof typeof metricTable;
type NameOf<K extends Metric["kind"]> = {
  [N in MetricName]: (typeof metricTable)[N]["kind"] extends K ? N : never;
}[MetricName];

/** The metrics that are counted, measured, or asked for when somebody looks. */
export type CounterName = NameOf<"counter">;
export type HistogramName = NameOf<"histogram">;

/** The labels of a metric; one that does not apply is left out. */
export type LabelsOf<N extends MetricName> = {
  readonly [L in (typeof metricTable)[N]["labels"][number]]?: string;
};

/** What Prometheus calls a metric: its exporter writes no units into names. */
export function prometheusName(name: MetricName): string {
  const plain = name.replaceAll(".", "_");
  return metricTable[name].kind === "counter" ? `${plain}_total` : plain;
}
