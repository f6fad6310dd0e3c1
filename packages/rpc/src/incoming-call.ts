import type { EventEmitter } from "node:events";
import { type Deadline, Metadata, status } from "@grpc/grpc-js";
import type { HandlerContext } from "./handlers.ts";
import { longestTimerMs } from "./longest-timer.ts";
import { RpcError } from "./rpc-error.ts";

// The timer of grpc-js runs that much before the clock says so: Node's begin when the turn of the event loop began. Ours
// runs as much later, so that an answer which a handler gives because its time is over comes too late.
const timerSlackMs = 10;

/** What the calls of all four kinds have in common. */
export type ServerCall = EventEmitter & {
  readonly metadata: Metadata;
  readonly cancelled: boolean;
  getDeadline(): Deadline;
  sendMetadata(headers: Metadata): void;
};

/** A call while its handler runs. */
export interface IncomingCall {
  readonly context: HandlerContext;
  /** Ends the watch over cancellation and deadline; grpc-js reports a call that has ended as cancelled. */
  readonly finish: () => void;
}

class CallContext implements HandlerContext {
  declare readonly signal: AbortSignal;
  readonly metadata: Metadata;
  readonly deadlineMs: number;
  readonly responseHeaders: Metadata = new Metadata();
  readonly responseTrailers: Metadata = new Metadata();
  readonly #signal: () => AbortSignal;

  /** @param signal - makes it when it is asked for */
  constructor(metadata: Metadata, deadlineMs: number, signal: () => AbortSignal) {
    this.metadata = metadata;
    this.deadlineMs = deadlineMs;
    this.#signal = signal;
    Object.defineProperty(this, "signal", CallContext.#onDemand);
  }

  /**
   * One getter for all calls. With one of its own each would get a shape of its own, which V8 keeps, and with it the getter and all that it can reach,
   * until the whole heap is collected. It is the context's own property, so that a copy has it too.
   */
  static readonly #onDemand: PropertyDescriptor = {
    enumerable: true,
    get(this: CallContext) {
      return this.#signal();
    },
  };
}

/** Watches a call for its cancellation and its deadline. */
export function incomingCall(call: ServerCall): IncomingCall {
  const deadlineMs = Number(call.getDeadline());
  /** Made when it is asked for, and its timer with it: most handlers never do. */
  let controller: AbortController | undefined;
  let timer: NodeJS.Timeout | undefined;
  let over: RpcError | undefined;
  let isFinished = false;
  const end = (reason: RpcError): void => {
    over ??= reason;
    controller?.abort(over);
  };
  const expire = (): void => end(new RpcError(status.DEADLINE_EXCEEDED, "The deadline has passed."));
  const onCancelled = (): void => {
    // Asked anew: what limits calls (see `callLimits`) may have ended this one.
    if (Date.now() + timerSlackMs >= Number(call.getDeadline())) expire();
    else end(new RpcError(status.CANCELLED, "The caller cancelled."));
  };
  const watch = (): AbortController => {
    const made = new AbortController();
    // grpc-js has its own timer, but tells of it only when the status could be sent, which a caller that stops reading
    // can put off.
    const remainingMs = deadlineMs - Date.now() + timerSlackMs;
    if (over === undefined && remainingMs <= 0) expire();
    if (over !== undefined) made.abort(over);
    else if (!isFinished && remainingMs < longestTimerMs) timer = setTimeout(expire, remainingMs);
    return made;
  };
  call.once("cancelled", onCancelled);
  if (call.cancelled) onCancelled();
  return {
    context: new CallContext(call.metadata, deadlineMs, () => {
      controller ??= watch();
      return controller.signal;
    }),
    finish(): void {
      isFinished = true;
      clearTimeout(timer);
      call.off("cancelled", onCancelled);
    },
  };
}
