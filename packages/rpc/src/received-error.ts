import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { RpcError } from "./rpc-error.ts";

const received = new WeakSet<RpcError>();

/** Turns what grpc-js reports of an outgoing call into the error that the caller sees. */
export function receivedError(error: Error | ServiceError | null): RpcError {
  const rpcError =
    error !== null && "code" in error && typeof error.code === "number"
      ? new RpcError(error.code, error.details, error.metadata)
      : new RpcError(status.INTERNAL, "The call failed inside the client.", new Metadata());
  return markReceived(rpcError);
}

/** Remembers that an error came from an outgoing call, so that no handler answers with it by accident. */
export function markReceived(error: RpcError): RpcError {
  received.add(error);
  return error;
}

/** Tells whether an error came from an outgoing call. */
export function isReceived(error: RpcError): boolean {
  return received.has(error);
}
