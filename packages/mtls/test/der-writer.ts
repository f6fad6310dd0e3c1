import { type KeyObject, sign } from "node:crypto";

/** Writes one DER value; the parts are its content. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

export function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(" ", ""), "hex");
}

export function sequence(...parts: readonly Uint8Array[]): Buffer {
  return der(0x30, ...parts);
}

export function utcTime(text: string): Buffer {
  return der(0x17, Buffer.from(text));
}

export function generalizedTime(text: string): Buffer {
  return der(0x18, Buffer.from(text));
}

/** `oid` without tag and length. */
export function extension(oid: string, value: Uint8Array, critical = false): Buffer {
  return sequence(der(6, hex(oid)), ...(critical ? [hex("0101ff")] : []), der(4, value));
}

/** An entry of a CRL. */
export function entry(serialNumber: string, ...extensions: readonly Uint8Array[]): Buffer {
  const more = extensions.length === 0 ? [] : [sequence(...extensions)];
  return sequence(der(2, hex(serialNumber)), utcTime("260101000000Z"), ...more);
}

/** `CN=Test CA`. */
export const issuer: Buffer = sequence(der(0x31, sequence(hex("0603550403"), der(0x13, Buffer.from("Test CA")))));

/** What a CRL is written of; the defaults make a good one of version 2. */
export interface CrlParts {
  readonly version?: readonly Uint8Array[];
  readonly algorithm: Uint8Array;
  /** The one that is said under the signature. */
  readonly innerAlgorithm?: Uint8Array;
  readonly thisUpdate?: Uint8Array;
  readonly nextUpdate?: readonly Uint8Array[];
  readonly entries?: readonly Uint8Array[];
  readonly extensions?: readonly Uint8Array[];
  readonly key: KeyObject;
  readonly hash: string | undefined;
  /** After the signature. */
  readonly more?: readonly Uint8Array[];
  readonly unusedBits?: number;
}

/** Writes a CRL (RFC 5280 §5.1). */
export function writeCrl(parts: CrlParts): Buffer {
  const { algorithm, entries = [], extensions = [] } = parts;
  const list = sequence(
    ...(parts.version ?? [hex("020101")]),
    parts.innerAlgorithm ?? algorithm,
    issuer,
    parts.thisUpdate ?? utcTime("260101000000Z"),
    ...(parts.nextUpdate ?? [utcTime("270101000000Z")]),
    ...(entries.length === 0 ? [] : [sequence(...entries)]),
    ...(extensions.length === 0 ? [] : [der(0xa0, sequence(...extensions))]),
  );
  const signature = sign(parts.hash, list, parts.key);
  return sequence(list, algorithm, der(3, Buffer.from([parts.unusedBits ?? 0]), signature), ...(parts.more ?? []));
}
