import { createHash } from "node:crypto";
import type { DescMethod, MessageShape } from "@bufbuild/protobuf";
import { toBinary } from "@bufbuild/protobuf";

/**
 * What a request asks for, in 32 bytes: SHA-256 over the method and the message.
 *
 * protobuf-es writes the fields in the order of their numbers, so the same request gives the same bytes; fields that
 * we do not know count too.
 */
export function requestFingerprint<M extends DescMethod>(method: M, request: MessageShape<M["input"]>): Uint8Array {
  return createHash("sha256")
    .update(`${method.parent.typeName}/${method.name}\n`)
    .update(toBinary(method.input, request))
    .digest();
}
