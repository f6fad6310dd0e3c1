import type { DescMessage } from "@bufbuild/protobuf";
import type { handleClientStreamingCall } from "@grpc/grpc-js";
import { handleCall, sendHeaders } from "./handle-call.ts";
import type { ClientStreamHandler } from "./handlers.ts";
import { encodeMessage } from "./message-codec.ts";
import type { MethodHandler } from "./method-handler.ts";
import { ownMetadata } from "./own-metadata.ts";
import { readRequests } from "./read-requests.ts";

/** Makes a client-streaming handler one that grpc-js can call. */
export function handleClientStream(
  target: MethodHandler<ClientStreamHandler<DescMessage, DescMessage>>,
): handleClientStreamingCall<Buffer, Buffer> {
  const { method, handler } = target;
  return function clientStream(call, callback): void {
    handleCall({
      call,
      target,
      refuse: (status) => callback(status),
      async answer(context): Promise<void> {
        const response = await handler(readRequests(method.input, call, context.signal), context);
        const bytes = encodeMessage(method.output, response);
        const trailers = ownMetadata(context.responseTrailers);
        sendHeaders(call, context);
        callback(null, bytes, trailers);
      },
    });
  };
}
