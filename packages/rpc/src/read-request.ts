import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import { status } from "@grpc/grpc-js";
import { decodeMessage } from "./message-codec.ts";
import { RpcError } from "./rpc-error.ts";

// One for the process: it keeps the compiled rules of every message type. The first violation decides.
const validator = createValidator({ failFast: true });

/**
 * Parses a request and checks it against the rules in its descriptor.
 *
 * Throws an RpcError: INTERNAL without text if it cannot be parsed, INVALID_ARGUMENT if it breaks a rule. Which rule is
 * not said, since messages of rules may quote the caller. A rule that cannot be evaluated is our fault and thrown as is.
 */
export function readRequest<D extends DescMessage>(schema: D, bytes: Uint8Array): MessageShape<D> {
  let request: MessageShape<D>;
  try {
    request = decodeMessage(schema, bytes);
  } catch {
    throw new RpcError(status.INTERNAL, "");
  }
  const result = validator.validate(schema, request);
  if (result.kind === "error") throw result.error;
  if (result.kind === "invalid") {
    throw new RpcError(status.INVALID_ARGUMENT, "The request breaks a rule of its definition.");
  }
  return request;
}
