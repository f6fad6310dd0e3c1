import type { DescMessage } from "@bufbuild/protobuf";
import type { handleUnaryCall } from "@grpc/grpc-js";
import { handleCall, sendHeaders } from "./handle-call.ts";
import type { UnaryHandler } from "./handlers.ts";
import { encodeMessage } from "./message-codec.ts";
import type { MethodHandler } from "./method-handler.ts";
import { ownMetadata } from "./own-metadata.ts";
import { readRequest } from "./read-request.ts";

/** Makes a unary handler one that grpc-js can call. */
export function handleUnary(
  target: MethodHandler<UnaryHandler<DescMessage, DescMessage>>,
): handleUnaryCall<Buffer, Buffer> {
  const { method, handler } = target;
  return function unary(call, callback): void {
    handleCall({
      call,
      target,
      refuse: (status) => callback(status),
      async answer(context): Promise<void> {
        const response = await handler(readRequest(method.input, call.request), context);
        const bytes = encodeMessage(method.output, response);
        const trailers = ownMetadata(context.responseTrailers);
        sendHeaders(call, context);
        callback(null, bytes, trailers);
      },
    });
  };
}
