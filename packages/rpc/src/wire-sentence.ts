import { type ServerInterceptor, status } from "@grpc/grpc-js";

/** A call as grpc-js gives it to the first interceptor. */
export type WireCall = Parameters<ServerInterceptor>[1];
type SendStatus = WireCall["sendStatus"];

/** What callers are told of a limit of time, whoever notices it first. */
export const callTookTooLong = "The call took too long.";

const sentences: Readonly<Partial<Record<status, string>>> = {
  [status.DEADLINE_EXCEEDED]: callTookTooLong,
  [status.RESOURCE_EXHAUSTED]: "A message is too large.",
  [status.UNIMPLEMENTED]: "The encoding of a message is not known here.",
};

/**
 * Replaces the texts with which grpc-js itself ends a call by fixed sentences: they quote what the caller sent, or tell our
 * sizes. The codes stay.
 *
 * Where grpc-js finds something wrong with a call on the wire it calls its own `sendStatus`, past all interceptors; so that is
 * replaced, and what is ours to say goes by the function that is returned.
 */
export function replaceWireTexts(call: WireCall): SendStatus {
  const sendStatus = call.sendStatus.bind(call);
  call.sendStatus = ({ code, metadata }) => sendStatus({ code, details: sentences[code] ?? "", metadata });
  return sendStatus;
}
