import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { ClientReadableStream } from "@grpc/grpc-js";
import { decodeResponse } from "./decode-response.ts";
import type { CallOptions } from "./outgoing-call.ts";
import { readMessages } from "./read-messages.ts";
import { receivedError } from "./received-error.ts";
import { tellMetadata } from "./tell-metadata.ts";

/** The responses of a call; throws its status as an RpcError if that is not OK, and cancels it if its reader stops. */
export async function* readResponses<D extends DescMessage>(
  schema: D,
  call: ClientReadableStream<Buffer>,
  options: CallOptions,
): AsyncGenerator<MessageShape<D>, void, undefined> {
  let failure: Error | undefined;
  // Stays for the life of the call: an error that nobody listens to ends the process.
  call.on("error", (error) => {
    failure ??= error;
  });
  const checkListeners = tellMetadata(call, options);
  try {
    for await (const bytes of readMessages(call)) yield decodeResponse(schema, bytes);
    checkListeners();
    if (failure !== undefined) throw receivedError(failure);
  } finally {
    call.cancel();
  }
}
