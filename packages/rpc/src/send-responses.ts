import type { Writable } from "node:stream";
import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import type { Metadata } from "@grpc/grpc-js";
import { sendHeaders } from "./handle-call.ts";
import type { HandlerContext } from "./handlers.ts";
import type { ServerCall } from "./incoming-call.ts";
import { ownMetadata } from "./own-metadata.ts";
import { writeMessages } from "./write-messages.ts";

/** What a handler answers a call with. */
export interface Responses<D extends DescMessage> {
  readonly schema: D;
  readonly messages: AsyncIterable<MessageInitShape<D>>;
  readonly context: HandlerContext;
}

type RespondingCall = ServerCall & Writable & { end(trailers?: Metadata): void };

/** Sends headers with the first response, the responses as fast as the caller takes them, and trailers with OK. */
export async function sendResponses<D extends DescMessage>(
  call: RespondingCall,
  responses: Responses<D>,
): Promise<void> {
  const { schema, messages, context } = responses;
  let sent = false;
  const beforeFirst = (): void => {
    sent = true;
    sendHeaders(call, context);
  };
  await writeMessages({ stream: call, schema, messages, signal: context.signal, beforeFirst });
  const trailers = ownMetadata(context.responseTrailers);
  if (!sent) sendHeaders(call, context);
  call.end(trailers);
}
