import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { encodeMessage } from "./message-codec.ts";
import { type CallOptions, type ClientMethodTarget, outgoingCall } from "./outgoing-call.ts";
import { readResponses } from "./read-responses.ts";
import { passBytes } from "./service-definition.ts";

/** Sends one request when the first response is asked for. */
export async function* callServerStream(
  target: ClientMethodTarget,
  request: MessageInitShape<DescMessage>,
  options: CallOptions = {},
): AsyncGenerator<MessageShape<DescMessage>, void, undefined> {
  const { method, start, onCancel } = outgoingCall(target, options);
  const bytes = encodeMessage(method.input, request);
  const call = start((client, { path, metadata, options: callOptions }) =>
    client.makeServerStreamRequest(path, passBytes, passBytes, bytes, metadata, callOptions),
  );
  const release = onCancel(() => call.cancel());
  try {
    yield* readResponses(method.output, call, options);
  } finally {
    release();
  }
}
