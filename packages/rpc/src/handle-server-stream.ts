import type { DescMessage } from "@bufbuild/protobuf";
import type { handleServerStreamingCall } from "@grpc/grpc-js";
import { handleCall } from "./handle-call.ts";
import type { ServerStreamHandler } from "./handlers.ts";
import type { MethodHandler } from "./method-handler.ts";
import { readRequest } from "./read-request.ts";
import { sendResponses } from "./send-responses.ts";

/** Makes a server-streaming handler one that grpc-js can call. */
export function handleServerStream(
  target: MethodHandler<ServerStreamHandler<DescMessage, DescMessage>>,
): handleServerStreamingCall<Buffer, Buffer> {
  const { method, handler } = target;
  return function serverStream(call): void {
    handleCall({
      call,
      target,
      // How grpc-js takes a status for a stream: it ends the stream with it, after what has been written.
      refuse: (status) => call.emit("error", status),
      async answer(context): Promise<void> {
        const messages = handler(readRequest(method.input, call.request), context);
        await sendResponses(call, { schema: method.output, messages, context });
      },
    });
  };
}
