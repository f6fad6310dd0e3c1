import type { Metadata } from "@grpc/grpc-js";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { MeterProvider } from "@opentelemetry/sdk-metrics";
import { ATTR_SERVICE_NAME, ATTR_SERVICE_VERSION } from "@opentelemetry/semantic-conventions";
import type { DecisionEvent } from "@zero-trust/auth";
import type { DecisionMeasure } from "@zero-trust/auth/server";
import type { MutualTlsChannels, TlsIdentity } from "@zero-trust/mtls";
import type { ChannelSource } from "@zero-trust/rpc";
import { type Log, recordLog, takesLines } from "../log.ts";
import { observeChannels, observeIdentity } from "./identity-metrics.ts";
import { type Instruments, instruments } from "./instruments.ts";
import { madeCalls } from "./made-calls.ts";
import { serveMetrics } from "./metrics-endpoint.ts";
import { currentCall } from "./observed-call.ts";
import { observeProcess } from "./process-metrics.ts";
import { PrometheusReader } from "./prometheus-reader.ts";
import { describeDecision, OTHER_METHOD, type ServedCalls, servedCalls } from "./served-calls.ts";
import type { TelemetryConfig } from "./telemetry-variables.ts";
import { formatTraceParent, parseTraceParent } from "./trace-parent.ts";
import { startTracing } from "./tracing.ts";

/** What telemetry is started with. */
export interface TelemetryOptions extends Partial<TelemetryConfig> {
  readonly log: Log;
  /** What this process is called in metrics and traces. */
  readonly service: string;
  readonly version?: string;
}

/** What is read again and again: `grantsFile()`, `jwks()` and their like. */
export interface CheckedSource {
  readonly checkedAtMs?: () => number | undefined;
}

/** The metrics and traces of one process. */
export interface Telemetry extends Instruments {
  /** Where `/metrics` is served; undefined where it is not. */
  readonly metricsPort: number | undefined;
  /** Makes calls over these channels be measured and traced: the outermost wrapping, over `connect()`. */
  channels(source: ChannelSource): ChannelSource;
  /** The `traceparent` (W3C Trace Context) of the call that came with this metadata, to go on from later: it is no secret. */
  traceParentOf(metadata: Metadata): string | undefined;
  /** Does work that belongs to the trace of such a `traceparent`, or to none: calls made in it are below it. */
  readonly within: <T>(traceParent: string | undefined, work: () => T) => T;
  /** Observes when certificates end. `serve()` does it by itself. */
  observeIdentity(identity: TlsIdentity): void;
  /** Observes when the certificate ends that calls over these channels show, which may be one from before; of several the first. */
  observeChannels(...channels: readonly Pick<MutualTlsChannels, "expiresAtMs">[]): void;
  /** Observes when sources of keys, grants and revocations were last read and good, under these names. */
  observeSources(sources: Readonly<Record<string, CheckedSource>>): void;
  /** For `serve()`: what it puts into its interceptors, given the paths of its methods. */
  serve(methods: ReadonlySet<string>): ServedCalls["interceptor"];
  /** For `serve()`: takes a decision down on the span of its call. */
  decided(event: DecisionEvent): void;
  /** For `serve()`: counts a decision. */
  measured(measure: DecisionMeasure): void;
  /** Sends what is left, 2 s at most, and serves metrics no more. */
  close(): Promise<void>;
}

/**
 * Starts the metrics (Prometheus) and traces (OTLP/HTTP) of a process; what is not asked for is off. Nothing that a
 * caller could multiply becomes a label, no secret becomes anything, and no call waits for or fails by telemetry.
 *
 * @throws ConfigError when the metrics cannot be served where they should be
 * @example
 * ```ts
 * import { createLog, startTelemetry } from "@zero-trust/server";
 *
 * const log = createLog({ name: "ping" });
 * const telemetry = await startTelemetry({ log, service: "ping", metrics: { host: "127.0.0.1", port: 9464 } });
 * process.once("SIGTERM", () => void telemetry.close());
 * ```
 */
export async function startTelemetry(options: TelemetryOptions): Promise<Telemetry> {
  const { log, service, version, metrics, otlpEndpoint } = options;
  const resource = resourceFromAttributes({
    [ATTR_SERVICE_NAME]: service,
    ...(version === undefined ? {} : { [ATTR_SERVICE_VERSION]: version }),
  });
  const reader = metrics === undefined ? undefined : new PrometheusReader();
  const provider = new MeterProvider({ resource, readers: reader === undefined ? [] : [reader] });
  const made = instruments(provider.getMeter("@zero-trust/server"));
  const tracing =
    otlpEndpoint === undefined ? undefined : startTracing({ endpoint: otlpEndpoint, resource, log, instruments: made });
  const observation = { instruments: made, tracing };
  const served: ServedCalls[] = [];

  const opened = new AsyncDisposableStack();
  opened.defer(async () => await provider.shutdown());
  opened.defer(observeProcess(made));
  made.observe("zt.log.writable", () => {
    const isWritable = takesLines(log);
    return isWritable === undefined ? undefined : Number(isWritable);
  });
  opened.defer(async () => await tracing?.close());
  let metricsPort: number | undefined;
  if (metrics !== undefined && reader !== undefined) {
    const endpoint = await serveMetrics({ ...metrics, text: async () => await reader.text() });
    opened.defer(async () => await endpoint.close());
    metricsPort = endpoint.port;
    const where = { host: metrics.host, port: metricsPort };
    recordLog(log, "lifecycle").warn(where, "metrics are served in clear, to whoever reaches this address");
  }

  return {
    ...made,
    metricsPort,
    channels: (source) => madeCalls(observation, source),
    traceParentOf(metadata) {
      const { traceParent } = served.map((calls) => calls.callOf(metadata)).find((call) => call !== undefined) ?? {};
      return traceParent === undefined ? undefined : formatTraceParent(traceParent);
    },
    within(traceParent, work) {
      const parent = traceParent === undefined ? undefined : parseTraceParent([traceParent]);
      return currentCall.run({ traceParent: parent, describe: () => undefined }, work);
    },
    observeIdentity: (identity) => observeIdentity(made, identity),
    observeChannels: (...channels) => observeChannels(made, channels),
    observeSources(sources) {
      made.observe("zt.sources.checked_timestamp_seconds", () =>
        Object.entries(sources).map(([source, { checkedAtMs }]) => {
          const ms = checkedAtMs?.();
          return { value: ms === undefined ? undefined : ms / 1000, labels: { source } };
        }),
      );
    },
    serve(methods) {
      const calls = servedCalls(observation, methods);
      served.push(calls);
      return calls.interceptor;
    },
    decided: describeDecision,
    measured({ method, outcome, reason, latencyMs }) {
      const name = method.startsWith("/") ? method.slice(1) : OTHER_METHOD;
      made.count("zt.decisions", { "rpc.method": name, outcome, ...(reason === undefined ? {} : { reason }) });
      made.record("zt.decision.duration", latencyMs / 1000, { outcome });
    },
    close: async () => await opened.disposeAsync(),
  };
}
