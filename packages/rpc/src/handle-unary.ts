import type { DescMessage } from "@bufbuild/protobuf";
import type { handleUnaryCall } from "@grpc/grpc-js";
import type { UnaryHandler } from "./handlers.ts";
import { incomingCall } from "./incoming-call.ts";
import { encodeMessage } from "./message-codec.ts";
import type { MethodHandler } from "./method-handler.ts";
import { readRequest } from "./read-request.ts";

/** Makes a unary handler one that grpc-js can call. */
export function handleUnary(
  target: MethodHandler<UnaryHandler<DescMessage, DescMessage>>,
): handleUnaryCall<Buffer, Buffer> {
  const { method, handler } = target;
  async function unary(...[call, callback]: Parameters<handleUnaryCall<Buffer, Buffer>>): Promise<void> {
    const { context, finish } = incomingCall(call);
    try {
      const response = await handler(readRequest(method.input, call.request), context);
      callback(null, encodeMessage(method.output, response));
    } catch (error) {
      callback(target.failed(error, context));
    } finally {
      finish();
    }
  }
  return (...call) => void unary(...call);
}
