/** Header fields in their order; a name may come twice, and nothing about it is checked. */
export type HeaderFields = readonly (readonly [name: string, value: string])[];

/**
 * Writes a header block of literals that are neither compressed nor indexed (HPACK, RFC 7541 §6.2.2): the server gets each
 * field as it stands here, duplicates, `__proto__`, upper case and control characters too.
 */
export function headerBlock(fields: HeaderFields): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.of(0x00), text(name), text(value)]));
}

/** What opens a gRPC call; more fields come after it. */
export function callFields(path: string, more: HeaderFields = []): HeaderFields {
  return [
    [":method", "POST"],
    [":scheme", "https"],
    [":path", path],
    [":authority", "attacked"],
    ["te", "trailers"],
    ["content-type", "application/grpc"],
    ...more,
  ];
}

/** A length and the bytes (RFC 7541 §5.2), without Huffman coding. */
function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1");
  return Buffer.concat([integer(bytes.length), bytes]);
}

/** An integer with a prefix of seven bits (RFC 7541 §5.1). */
function integer(value: number): Buffer {
  if (value < 0x7f) return Buffer.of(value);
  const bytes = [0x7f];
  let rest = value - 0x7f;
  while (rest >= 0x80) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  return Buffer.from([...bytes, rest]);
}
