import type { EventEmitter } from "node:events";
import { type Deadline, type Metadata, status } from "@grpc/grpc-js";
import type { HandlerContext } from "./handlers.ts";
import { RpcError } from "./rpc-error.ts";

// A timer of Node runs at once when asked for more.
const longestTimerMs = 2 ** 31 - 1;

/** What the calls of all four kinds have in common. */
export type ServerCall = EventEmitter & {
  readonly metadata: Metadata;
  readonly cancelled: boolean;
  getDeadline(): Deadline;
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
    if (Date.now() >= deadlineMs) expire();
    else controller.abort(new RpcError(status.CANCELLED, "The caller cancelled."));
  };
  // grpc-js has its own timer, but tells of it only when the status could be sent, which a caller that stops reading
  // can put off.
  const remainingMs = deadlineMs - Date.now();
  const timer = remainingMs < longestTimerMs ? setTimeout(expire, Math.max(0, remainingMs)) : undefined;
  call.once("cancelled", onCancelled);
  if (call.cancelled) onCancelled();
  return {
    context: { metadata: call.metadata, signal: controller.signal, deadlineMs },
    finish(): void {
      clearTimeout(timer);
      call.off("cancelled", onCancelled);
    },
  };
}
