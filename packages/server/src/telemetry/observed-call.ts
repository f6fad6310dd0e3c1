import { AsyncLocalStorage } from "node:async_hooks";
import { status } from "@grpc/grpc-js";
import { type Attributes, type Span, SpanStatusCode } from "@opentelemetry/api";
import {
  ATTR_ERROR_TYPE,
  ATTR_RPC_METHOD,
  ATTR_RPC_STATUS_CODE,
  ATTR_RPC_SYSTEM_NAME,
  RPC_SYSTEM_NAME_VALUE_GRPC,
} from "@opentelemetry/semantic-conventions";
import type { Instruments } from "./instruments.ts";
import type { TraceParent } from "./trace-parent.ts";
import type { Tracing } from "./tracing.ts";

/** What calls are observed with. */
export interface Observation {
  readonly instruments: Instruments;
  /** Undefined where spans go nowhere. */
  readonly tracing: Tracing | undefined;
}

/**
 * The call that this code runs for, as far as spans go. What outlives its call (a timer, a pool of connections) keeps the
 * call that it was made in: so it is asked only in what runs for one call, and whoever works for another says so.
 */
export const currentCall: AsyncLocalStorage<Pick<ObservedCall, "traceParent" | "describe">> = new AsyncLocalStorage();

/** For which a server says that it failed, by the semantic conventions: the others are its callers' doing. */
const serverErrors: ReadonlySet<status> = new Set([
  status.UNKNOWN,
  status.DEADLINE_EXCEEDED,
  status.UNIMPLEMENTED,
  status.INTERNAL,
  status.UNAVAILABLE,
  status.DATA_LOSS,
]);

/** One call, of either side, from its beginning to its status: how long it took, and its span. */
export class ObservedCall {
  readonly #observation: Observation;
  readonly #side: "server" | "client";
  readonly #method: string;
  readonly #startTimeMs = Date.now();
  readonly #startedMs = performance.now();
  #span: Span | undefined;
  #parent: TraceParent | undefined;
  #isOver = false;

  /** @param method - as the conventions have it, `package.Service/Method`: one of a known set, or `_OTHER` */
  constructor(observation: Observation, side: "server" | "client", method: string) {
    this.#observation = observation;
    this.#side = side;
    this.#method = method;
  }

  /** Begins the span, below another where there is one. */
  begin(parent: TraceParent | undefined): void {
    this.#parent = parent;
    this.#span = this.#observation.tracing?.begin(this.#method, this.#side, {
      parent,
      startTimeMs: this.#startTimeMs,
      attributes: { [ATTR_RPC_SYSTEM_NAME]: RPC_SYSTEM_NAME_VALUE_GRPC, [ATTR_RPC_METHOD]: this.#method },
    });
  }

  /** What calls that are made for this one are below. */
  get traceParent(): TraceParent | undefined {
    return this.#span?.spanContext() ?? this.#parent;
  }

  describe(attributes: Attributes): void {
    this.#span?.setAttributes(attributes);
  }

  /** Once: what comes after the first status is nobody's. */
  end(code: status): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const labels = {
      [ATTR_RPC_SYSTEM_NAME]: RPC_SYSTEM_NAME_VALUE_GRPC,
      [ATTR_RPC_METHOD]: this.#method,
      [ATTR_RPC_STATUS_CODE]: nameOf(code),
    };
    const metric = this.#side === "server" ? "rpc.server.call.duration" : "rpc.client.call.duration";
    const tookMs = performance.now() - this.#startedMs;
    this.#observation.instruments.record(metric, tookMs / 1000, labels);
    const span = this.#span;
    if (span === undefined) return;
    const failed = this.#side === "server" ? serverErrors.has(code) : code !== status.OK;
    span.setAttributes(failed ? { ...labels, [ATTR_ERROR_TYPE]: nameOf(code) } : labels);
    if (failed) span.setStatus({ code: SpanStatusCode.ERROR });
    // A refusal is sent first and recorded then: the span waits for what is said of the call in the same breath.
    queueMicrotask(() => span.end(this.#startTimeMs + tookMs));
  }
}

/** A code that does not exist is one value, whoever sent it. */
function nameOf(code: status): string {
  return status[code] ?? "UNKNOWN";
}
