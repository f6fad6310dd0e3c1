import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { requestCallback } from "@grpc/grpc-js";
import { untilAnswered } from "./attempts.ts";
import { decodeResponse } from "./decode-response.ts";
import { encodeMessage } from "./message-codec.ts";
import { type CallOptions, type ClientMethodTarget, outgoingCall } from "./outgoing-call.ts";
import { receivedError } from "./received-error.ts";
import { passBytes } from "./service-definition.ts";
import { tellMetadata } from "./tell-metadata.ts";

/** Sends one request, waits for one response. */
export async function callUnary(
  target: ClientMethodTarget,
  request: MessageInitShape<DescMessage>,
  options: CallOptions = {},
): Promise<MessageShape<DescMessage>> {
  return await untilAnswered(target, options, (its) => callOnce(target, request, its));
}

async function callOnce(
  target: ClientMethodTarget,
  request: MessageInitShape<DescMessage>,
  options: CallOptions,
): Promise<MessageShape<DescMessage>> {
  const { method, start, onCancel } = outgoingCall(target, options);
  const bytes = encodeMessage(method.input, request);
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const answer: requestCallback<Buffer> = (error, response) => {
    if (response === undefined) reject(receivedError(error));
    else resolve(response);
  };
  const call = start((client, { path, metadata, options: callOptions }) =>
    client.makeUnaryRequest(path, passBytes, passBytes, bytes, metadata, callOptions, answer),
  );
  const release = onCancel(() => call.cancel());
  const checkListeners = tellMetadata(call, options);
  try {
    return decodeResponse(method.output, await promise.finally(checkListeners));
  } finally {
    release();
  }
}
