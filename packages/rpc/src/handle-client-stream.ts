import type { DescMessage } from "@bufbuild/protobuf";
import type { handleClientStreamingCall } from "@grpc/grpc-js";
import type { ClientStreamHandler } from "./handlers.ts";
import { incomingCall } from "./incoming-call.ts";
import { encodeMessage } from "./message-codec.ts";
import type { MethodHandler } from "./method-handler.ts";
import { readRequests } from "./read-requests.ts";

/** Makes a client-streaming handler one that grpc-js can call. */
export function handleClientStream(
  target: MethodHandler<ClientStreamHandler<DescMessage, DescMessage>>,
): handleClientStreamingCall<Buffer, Buffer> {
  const { method, handler } = target;
  async function clientStream(
    ...[call, callback]: Parameters<handleClientStreamingCall<Buffer, Buffer>>
  ): Promise<void> {
    const { context, finish } = incomingCall(call);
    try {
      const response = await handler(readRequests(method.input, call, context.signal), context);
      callback(null, encodeMessage(method.output, response));
    } catch (error) {
      callback(target.failed(error, context));
    } finally {
      finish();
    }
  }
  return (...call) => void clientStream(...call);
}
