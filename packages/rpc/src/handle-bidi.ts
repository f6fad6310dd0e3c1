import type { DescMessage } from "@bufbuild/protobuf";
import type { handleBidiStreamingCall } from "@grpc/grpc-js";
import type { BidiHandler } from "./handlers.ts";
import { incomingCall } from "./incoming-call.ts";
import type { MethodHandler } from "./method-handler.ts";
import { readRequests } from "./read-requests.ts";
import { writeMessages } from "./write-messages.ts";

/** Makes a bidirectional handler one that grpc-js can call. */
export function handleBidi(
  target: MethodHandler<BidiHandler<DescMessage, DescMessage>>,
): handleBidiStreamingCall<Buffer, Buffer> {
  const { method, handler } = target;
  async function bidi(...[call]: Parameters<handleBidiStreamingCall<Buffer, Buffer>>): Promise<void> {
    const { context, finish } = incomingCall(call);
    try {
      const messages = handler(readRequests(method.input, call, context.signal), context);
      await writeMessages({ stream: call, schema: method.output, messages, signal: context.signal });
      call.end();
    } catch (error) {
      // How grpc-js takes a status for a stream: it ends the stream with it, after what has been written.
      call.emit("error", target.failed(error, context));
    } finally {
      finish();
    }
  }
  return (...call) => void bidi(...call);
}
