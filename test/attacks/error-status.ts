import { status } from "@grpc/grpc-js";
import { reasonOf } from "@zero-trust/auth";
import { RpcError } from "@zero-trust/rpc";

/** The status of a call of our own client that failed, as the catalogue has it: `UNAUTHENTICATED CREDENTIAL_INVALID`. */
export function errorStatus(error: unknown): string {
  if (!(error instanceof RpcError)) throw new Error("The call failed before it was made.", { cause: error });
  const reason = reasonOf(error);
  return [status[error.code], ...(reason === undefined ? [] : [reason])].join(" ");
}
