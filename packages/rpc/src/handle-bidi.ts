import type { DescMessage } from "@bufbuild/protobuf";
import type { handleBidiStreamingCall } from "@grpc/grpc-js";
import { handleCall } from "./handle-call.ts";
import type { BidiHandler } from "./handlers.ts";
import type { MethodHandler } from "./method-handler.ts";
import { readRequests } from "./read-requests.ts";
import { sendResponses } from "./send-responses.ts";

/** Makes a bidirectional handler one that grpc-js can call. */
export function handleBidi(
  target: MethodHandler<BidiHandler<DescMessage, DescMessage>>,
): handleBidiStreamingCall<Buffer, Buffer> {
  const { method, handler } = target;
  return function bidi(call): void {
    handleCall({
      call,
      target,
      // How grpc-js takes a status for a stream: it ends the stream with it, after what has been written.
      refuse: (status) => call.emit("error", status),
      async answer(context): Promise<void> {
        const messages = handler(readRequests(method.input, call, context.signal), context);
        await sendResponses(call, { schema: method.output, messages, context });
      },
    });
  };
}
