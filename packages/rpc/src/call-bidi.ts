import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { type CallOptions, type ClientMethodTarget, outgoingCall } from "./outgoing-call.ts";
import { readResponses } from "./read-responses.ts";
import { sendRequests } from "./send-requests.ts";
import { passBytes } from "./service-definition.ts";

/** Sends requests while it reads responses, from when the first response is asked for. */
export async function* callBidi(
  target: ClientMethodTarget,
  requests: AsyncIterable<MessageInitShape<DescMessage>>,
  options: CallOptions = {},
): AsyncGenerator<MessageShape<DescMessage>, void, undefined> {
  const { method, start, onCancel } = outgoingCall(target, options);
  const call = start((client, { path, metadata, options: callOptions }) =>
    client.makeBidiStreamRequest<Buffer, Buffer>(path, passBytes, passBytes, metadata, callOptions),
  );
  const release = onCancel(() => call.cancel());
  const sending = sendRequests(call, method.input, requests);
  let failure: { readonly error: unknown } | undefined;
  sending.failed.catch((error: unknown) => {
    failure = { error };
    call.cancel();
  });
  try {
    yield* readResponses(method.output, call, options);
  } catch (error) {
    // What stopped the sending is the cause; the cancelled call only its effect.
    throw failure === undefined ? error : failure.error;
  } finally {
    sending.stop();
    release();
  }
}
