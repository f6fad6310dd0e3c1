import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { requestCallback } from "@grpc/grpc-js";
import { decodeResponse } from "./decode-response.ts";
import { type CallOptions, type ClientMethodTarget, outgoingCall } from "./outgoing-call.ts";
import { receivedError } from "./received-error.ts";
import { sendRequests } from "./send-requests.ts";
import { passBytes } from "./service-definition.ts";
import { tellMetadata } from "./tell-metadata.ts";

/** Sends requests until there are no more or the server has answered; waits for one response. */
export async function callClientStream(
  target: ClientMethodTarget,
  requests: AsyncIterable<MessageInitShape<DescMessage>>,
  options: CallOptions = {},
): Promise<MessageShape<DescMessage>> {
  const { method, start, onCancel } = outgoingCall(target, options);
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const answer: requestCallback<Buffer> = (error, response) => {
    if (response === undefined) reject(receivedError(error));
    else resolve(response);
  };
  const call = start((client, { path, metadata, options: callOptions }) =>
    client.makeClientStreamRequest<Buffer, Buffer>(path, passBytes, passBytes, metadata, callOptions, answer),
  );
  const release = onCancel(() => call.cancel());
  const sending = sendRequests(call, method.input, requests);
  sending.failed.catch((error: unknown) => {
    reject(error);
    call.cancel();
  });
  const checkListeners = tellMetadata(call, options);
  try {
    return decodeResponse(method.output, await promise.finally(checkListeners));
  } finally {
    sending.stop();
    release();
  }
}
