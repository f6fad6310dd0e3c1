import type { DescMessage } from "@bufbuild/protobuf";
import type { handleServerStreamingCall } from "@grpc/grpc-js";
import type { ServerStreamHandler } from "./handlers.ts";
import { incomingCall } from "./incoming-call.ts";
import type { MethodHandler } from "./method-handler.ts";
import { readRequest } from "./read-request.ts";
import { writeMessages } from "./write-messages.ts";

/** Makes a server-streaming handler one that grpc-js can call. */
export function handleServerStream(
  target: MethodHandler<ServerStreamHandler<DescMessage, DescMessage>>,
): handleServerStreamingCall<Buffer, Buffer> {
  const { method, handler } = target;
  async function serverStream(...[call]: Parameters<handleServerStreamingCall<Buffer, Buffer>>): Promise<void> {
    const { context, finish } = incomingCall(call);
    try {
      const messages = handler(readRequest(method.input, call.request), context);
      await writeMessages({ stream: call, schema: method.output, messages, signal: context.signal });
      call.end();
    } catch (error) {
      // How grpc-js takes a status for a stream: it ends the stream with it, after what has been written.
      call.emit("error", target.failed(error, context));
    } finally {
      finish();
    }
  }
  return (...call) => void serverStream(...call);
}
