/** One element of DER (X.690 section 8.1). */
export interface Element {
  readonly tag: number;
  readonly content: Buffer;
  /** With tag and length. */
  readonly whole: Buffer;
}

/** Bytes that are no DER. */
export class DerError extends Error {
  override readonly name = "DerError";
}

/**
 * The first element of some bytes.
 *
 * @throws {DerError} when they hold none
 */
export function element(bytes: Buffer): Element {
  const [tag, first] = bytes;
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) throw new DerError("it is no DER");
  const more = first < 0x80 ? 0 : first & 0x7f;
  if (first === 0x80 || more > 4 || bytes.length < 2 + more) throw new DerError("it is no DER");
  const end = 2 + more + (more === 0 ? first : bytes.readUIntBE(2, more));
  if (end > bytes.length) throw new DerError("it is no DER");
  return { tag, content: bytes.subarray(2 + more, end), whole: bytes.subarray(0, end) };
}

/**
 * Element after element, up to the end.
 *
 * @throws {DerError} when something else stands there
 */
export function elements(bytes: Buffer): readonly Element[] {
  const found: Element[] = [];
  for (let rest = bytes; rest.length > 0; rest = rest.subarray(found.at(-1)?.whole.length)) found.push(element(rest));
  return found;
}

/** An element of these parts. */
export function encoded(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  if (content.length < 0x80) return Buffer.concat([Buffer.of(tag, content.length), content]);
  const hex = content.length.toString(16);
  const length = Buffer.from(hex.padStart(hex.length + (hex.length % 2), "0"), "hex");
  return Buffer.concat([Buffer.of(tag, 0x80 | length.length), length, content]);
}

/** A time as certificates have it: UTCTime up to 2049, GeneralizedTime from then on (RFC 5280 section 4.1.2.5). */
export function encodedTime(date: Date): Buffer {
  const digits = date.toISOString().replaceAll(/\.\d+|[-:T]/g, "");
  const isShort = date.getUTCFullYear() >= 1950 && date.getUTCFullYear() < 2050;
  return encoded(isShort ? 0x17 : 0x18, Buffer.from(isShort ? digits.slice(2) : digits));
}
