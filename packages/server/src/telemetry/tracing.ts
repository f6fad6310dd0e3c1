import { type Attributes, ROOT_CONTEXT, type Span, SpanKind, TraceFlags, type Tracer, trace } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import type { Resource } from "@opentelemetry/resources";
import { AlwaysOnSampler, BatchSpanProcessor, type SpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import type { Log } from "../log.ts";
import type { Instruments } from "./instruments.ts";
import { SpanExport } from "./span-export.ts";
import type { TraceParent } from "./trace-parent.ts";

/** Spans in memory that the collector has not taken yet, a few megabytes: beyond them, spans are dropped and counted. */
const MAX_PENDING_SPANS = 4_096;
const MAX_BATCH_SPANS = 512;
const BATCH_DELAY_MS = 2_000;
/** Of one batch, with its retries: a collector that takes longer is as good as away. */
const EXPORT_TIMEOUT_MS = 5_000;
/** Closing waits no longer for a collector that does not answer. */
const CLOSE_TIMEOUT_MS = 2_000;
/** Our attributes are shorter: it is for what somebody adds. */
const MAX_VALUE_LENGTH = 256;

/** What spans are made with. */
export interface TracingOptions {
  /** The base URL of an OTLP/HTTP collector. */
  readonly endpoint: string;
  readonly resource: Resource;
  readonly log: Log;
  readonly instruments: Instruments;
}

/** Makes spans and sends them. */
export interface Tracing {
  /** Begins a span, below another where given; `startTimeMs` is epoch milliseconds. */
  begin(
    name: string,
    kind: "server" | "client",
    options: {
      readonly parent: TraceParent | undefined;
      readonly startTimeMs: number;
      readonly attributes: Attributes;
    },
  ): Span;
  /** Sends what is left, for 2 s at most. */
  close(): Promise<void>;
}

/**
 * Starts to send spans by OTLP/HTTP, in the background. Whoever makes a call notices nothing of the collector: what it does not take
 * is dropped. Every call is traced: a caller's word about sampling would let it hide, or flood.
 */
export function startTracing(options: TracingOptions): Tracing {
  const { endpoint, resource, log, instruments } = options;
  const url = `${endpoint.replace(/\/$/u, "")}/v1/traces`;
  const exporter = new SpanExport(new OTLPTraceExporter({ url, timeoutMillis: EXPORT_TIMEOUT_MS }), {
    log,
    instruments,
    maxPending: MAX_PENDING_SPANS,
  });
  const batches = new BatchSpanProcessor({
    exporter,
    maxQueueSize: MAX_PENDING_SPANS,
    maxExportBatchSize: MAX_BATCH_SPANS,
    scheduledDelayMillis: BATCH_DELAY_MS,
    // The exporter's own time-out comes first, so that it says what became of each batch.
    exportTimeoutMillis: 2 * EXPORT_TIMEOUT_MS,
  });
  const provider = new TracerProvider({
    resource,
    sampler: new AlwaysOnSampler(),
    spanLimits: { attributeValueLengthLimit: MAX_VALUE_LENGTH },
    spanProcessors: [bounded(batches, exporter)],
  });
  const tracer: Tracer = provider.getTracer("@zero-trust/server");
  return {
    begin(name, kind, { parent, startTimeMs, attributes }) {
      const context =
        parent === undefined
          ? ROOT_CONTEXT
          : trace.setSpanContext(ROOT_CONTEXT, { ...parent, traceFlags: TraceFlags.SAMPLED, isRemote: true });
      const spanKind = kind === "server" ? SpanKind.SERVER : SpanKind.CLIENT;
      return tracer.startSpan(name, { kind: spanKind, startTime: startTimeMs, attributes }, context);
    },
    async close() {
      const { promise: late, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, CLOSE_TIMEOUT_MS);
      // It rejects when the last batch was not taken, which is counted and logged.
      await Promise.race([provider.shutdown().catch(() => undefined), late]);
      clearTimeout(timer);
    },
  };
}

/** The processor has a bound for what is queued; this one is for what is being sent too, and what it drops is counted. */
function bounded(batches: BatchSpanProcessor, exporter: SpanExport): SpanProcessor {
  return {
    onStart: () => undefined,
    onEnd: (span) => {
      if (exporter.hasRoom()) batches.onEnd(span);
    },
    forceFlush: async () => await batches.forceFlush(),
    shutdown: async () => await batches.shutdown(),
  };
}
