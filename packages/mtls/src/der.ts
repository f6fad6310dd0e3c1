/**
 * A reader of DER (X.690 §10) for the few fields of a certificate that Node does not show: the bits of keyUsage, and the SANs as
 * bytes rather than as one joined text. It is ours, since a whole ASN.1 library in the path of every handshake would be
 * more to trust than these lines; it takes DER only, and whatever it does not know is an error, never a guess.
 */
export interface DerValue {
  readonly tag: number;
  readonly content: Uint8Array;
}

/** Bytes that are not DER, or not the DER that was expected. */
export class DerError extends Error {
  override readonly name = "DerError";
}

/** The values that, one after the other, fill the bytes exactly. */
export function derValues(bytes: Uint8Array): readonly DerValue[] {
  const values: DerValue[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    const tag = byteAt(bytes, offset);
    if ((tag & 0x1f) === 0x1f) {
      throw new DerError("a tag of more than one byte");
    }
    const { length, start } = lengthAt(bytes, offset + 1);
    const end = start + length;
    if (end > bytes.length) {
      throw new DerError("a value longer than what holds it");
    }
    values.push({ tag, content: bytes.subarray(start, end) });
    offset = end;
  }
  return values;
}

/** The content of a value that must have the given tag. */
export function derContent(value: DerValue | undefined, tag: number): Uint8Array {
  if (value?.tag !== tag) {
    throw new DerError(`expected tag 0x${tag.toString(16)}`);
  }
  return value.content;
}

/** The content of the one value that fills the bytes exactly. */
export function derOnly(bytes: Uint8Array, tag: number): Uint8Array {
  const [value, ...more] = derValues(bytes);
  if (more.length > 0) {
    throw new DerError("bytes after the value");
  }
  return derContent(value, tag);
}

/** Definite lengths in their shortest form (X.690 §10.1). */
function lengthAt(bytes: Uint8Array, offset: number): { length: number; start: number } {
  const first = byteAt(bytes, offset);
  if (first < 0x80) {
    return { length: first, start: offset + 1 };
  }
  const count = first & 0x7f;
  if (count === 0 || count > 3) {
    throw new DerError("a length that is indefinite or above 16 MiB");
  }
  let length = 0;
  for (let index = 1; index <= count; index += 1) {
    length = length * 256 + byteAt(bytes, offset + index);
  }
  if (length < 0x80 || length < 256 ** (count - 1)) {
    throw new DerError("a length that is not in its shortest form");
  }
  return { length, start: offset + 1 + count };
}

function byteAt(bytes: Uint8Array, offset: number): number {
  const byte = bytes[offset];
  if (byte === undefined) {
    throw new DerError("the bytes end early");
  }
  return byte;
}
