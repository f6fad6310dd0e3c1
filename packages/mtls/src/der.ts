/**
 * A reader of DER (X.690 §10) for what Node does not show: the bits of keyUsage, the SANs as bytes rather than as one joined
 * text, and CRLs. It is ours, since a whole ASN.1 library in the path of every handshake would be more to trust than these
 * lines; it takes DER only, and whatever it does not know is an error, never a guess.
 */
export interface DerValue {
  readonly tag: number;
  readonly content: Uint8Array;
  /** The whole of it, with tag and length. */
  readonly bytes: Uint8Array;
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
    values.push({ tag, content: bytes.subarray(start, end), bytes: bytes.subarray(offset, end) });
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

/** An INTEGER's content in hexadecimal, which is the same for the same number: DER has one way to write it (X.690 §8.3.2). */
export function derInteger(value: DerValue | undefined): string {
  const content = derContent(value, DER.integer);
  const [first, second = 0] = content;
  if (first === undefined) {
    throw new DerError("an empty integer");
  }
  if (content.length > 1 && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))) {
    throw new DerError("an integer that is not in its shortest form");
  }
  return Buffer.from(content).toString("hex");
}

/** The tags of the universal types that certificates and CRLs are made of (X.680 §8.4). */
export const DER: {
  readonly boolean: 1;
  readonly integer: 2;
  readonly bitString: 3;
  readonly octetString: 4;
  readonly null: 5;
  readonly oid: 6;
  readonly utcTime: 0x17;
  readonly generalizedTime: 0x18;
  readonly sequence: 0x30;
} = {
  boolean: 1,
  integer: 2,
  bitString: 3,
  octetString: 4,
  null: 5,
  oid: 6,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
};

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
