import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import type { Metadata, status } from "@grpc/grpc-js";
import { StatusSchema } from "./gen/google/rpc/status_pb.ts";

/** The trailer that carries a `google.rpc.Status`, by the convention that all gRPC libraries share. */
export const statusDetailsKey = "grpc-status-details-bin";

/** What a `google.rpc.Status` says. */
export interface DetailedStatus {
  readonly code: status;
  readonly message: string;
  readonly details: readonly Any[];
}

/** The value of the trailer. */
export function encodeStatusDetails({ code, message, details }: DetailedStatus): Buffer {
  return Buffer.from(toBinary(StatusSchema, create(StatusSchema, { code, message, details: [...details] })));
}

/**
 * The details that came with a status: none if there are none, if they cannot be read, or if they speak of another code
 * than the call ended with. They are decoration: whoever sends nonsense gets no error of ours for it.
 */
export function decodeStatusDetails(metadata: Metadata, code: status): readonly Any[] {
  const [bytes] = metadata.get(statusDetailsKey);
  if (!(bytes instanceof Uint8Array)) return [];
  try {
    // Copied, since messages are views of what they were parsed from.
    const rich = fromBinary(StatusSchema, new Uint8Array(bytes));
    return rich.code === Number(code) ? rich.details : [];
  } catch {
    return [];
  }
}
