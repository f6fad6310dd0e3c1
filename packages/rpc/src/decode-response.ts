import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { decodeMessage } from "./message-codec.ts";
import { markReceived } from "./received-error.ts";
import { RpcError } from "./rpc-error.ts";

/** Parses a response. Throws an RpcError with INTERNAL if that cannot be done. */
export function decodeResponse<D extends DescMessage>(schema: D, bytes: Uint8Array): MessageShape<D> {
  try {
    return decodeMessage(schema, bytes);
  } catch {
    throw markReceived(new RpcError(status.INTERNAL, "The response could not be decoded."));
  }
}
