import type { HandlerContext } from "./handlers.ts";
import { incomingCall, type ServerCall } from "./incoming-call.ts";
import type { MethodHandler } from "./method-handler.ts";
import { ownMetadata } from "./own-metadata.ts";
import type { Status } from "./status-of.ts";

/** How a call of one kind is answered. */
export interface AnswerOptions {
  readonly call: ServerCall;
  readonly target: MethodHandler<unknown>;
  /** Runs the handler and sends what it answers. */
  readonly answer: (context: HandlerContext) => Promise<void>;
  /** Ends the call with another status than OK. */
  readonly refuse: (status: Status) => void;
}

/** Runs a handler for a call; whatever it throws, now or later, becomes the status of the call. */
export function handleCall({ call, target, answer, refuse }: AnswerOptions): void {
  const { context, finish } = incomingCall(call);
  const run = async (): Promise<void> => {
    try {
      await answer(context);
    } catch (error) {
      refuse(target.failed(error, context));
    } finally {
      finish();
    }
  };
  // Reached if an interceptor throws at the answer: no status can be sent, and the process is no price for that.
  run().catch((error: unknown) => target.report(error, context));
}

/** Sends the headers that a handler has set; those of gRPC go by themselves. Throws a RangeError if they are too large. */
export function sendHeaders(call: ServerCall, { responseHeaders }: HandlerContext): void {
  if (Object.keys(responseHeaders.toHttp2Headers()).length > 0) call.sendMetadata(ownMetadata(responseHeaders));
}
