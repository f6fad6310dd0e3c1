import { DER, DerError, derContent, derOnly, derValues } from "./der.ts";

/** One extension of a certificate, a CRL or an entry of one (RFC 5280 §4.2). */
export interface DerExtension {
  readonly critical: boolean;
  readonly value: Uint8Array;
}

const TRUE = 0xff;

/**
 * Reads `Extensions`.
 *
 * @returns them by their OID, in hexadecimal DER
 * @throws {DerError} also when one is there twice
 */
export function derExtensions(bytes: Uint8Array): ReadonlyMap<string, DerExtension> {
  const extensions = new Map<string, DerExtension>();
  for (const extension of derValues(derOnly(bytes, DER.sequence))) {
    const [type, ...rest] = derValues(derContent(extension, DER.sequence));
    const oid = Buffer.from(derContent(type, DER.oid)).toString("hex");
    if (extensions.has(oid)) {
      // RFC 5280 §4.2: never twice. Whoever reads the first sees another certificate than who reads the last.
      throw new DerError("an extension is there twice");
    }
    if (rest.length > 2) {
      throw new DerError("an extension of more than three parts");
    }
    // The middle one, when there are three, is `critical`.
    const critical = rest.length === 2 && isTrue(derContent(rest[0], DER.boolean));
    extensions.set(oid, { critical, value: derContent(rest.at(-1), DER.octetString) });
  }
  return extensions;
}

/** DER has one way to say yes (X.690 §11.1); a no that is said aloud is common and harmless. */
function isTrue(content: Uint8Array): boolean {
  if (content.length !== 1 || (content[0] !== TRUE && content[0] !== 0)) {
    throw new DerError("a boolean that is neither true nor false");
  }
  return content[0] === TRUE;
}
