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

/** Watches a call for its cancellation and its deadline. */
export function incomingCall(call: ServerCall): IncomingCall {
  const controller = new AbortController();
  const deadlineMs = Number(call.getDeadline());
  const expire = (): void => controller.abort(new RpcError(status.DEADLINE_EXCEEDED, "The deadline has passed."));
  const onCancelled = (): void => {
    // Asked anew: what limits calls (see `callLimits`) may have ended this one.
    if (Date.now() + timerSlackMs >= Number(call.getDeadline())) expire();
    else controller.abort(new RpcError(status.CANCELLED, "The caller cancelled."));
  };
  // grpc-js has its own timer, but tells of it only when the status could be sent, which a caller that stops reading
  // can put off.
  const remainingMs = deadlineMs - Date.now();
  const timer =
    remainingMs < longestTimerMs - timerSlackMs
      ? setTimeout(expire, Math.max(0, remainingMs) + timerSlackMs)
      : undefined;
  call.once("cancelled", onCancelled);
  if (call.cancelled) onCancelled();
  return {
    context: {
      metadata: call.metadata,
      signal: controller.signal,
      deadlineMs,
      responseHeaders: new Metadata(),
      responseTrailers: new Metadata(),
    },
    finish(): void {
      clearTimeout(timer);
      call.off("cancelled", onCancelled);
    },
  };
}
