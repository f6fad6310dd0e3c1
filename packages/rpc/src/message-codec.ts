import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";

/**
 * Serializes a message, or what makes one, to the bytes that go on the wire.
 *
 * Throws a TypeError for what is no object (a forgotten `return` would otherwise be an empty message), and what
 * protobuf-es throws for a value that its field cannot hold.
 */
export function encodeMessage<D extends DescMessage>(schema: D, init: MessageInitShape<D>): Buffer {
  if (typeof init !== "object" || init === null) throw new TypeError(`A ${schema.typeName} has to be an object.`);
  const bytes = toBinary(schema, create(schema, init));
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Parses a message, unknown fields included.
 *
 * The bytes are copied into a plain Uint8Array first: `bytes` fields are views of what was parsed, and a view of the
 * network's buffer would change, and hold other callers' data, once that is used again.
 */
export function decodeMessage<D extends DescMessage>(schema: D, bytes: Uint8Array): MessageShape<D> {
  return fromBinary(schema, new Uint8Array(bytes), { readUnknownFields: true });
}
