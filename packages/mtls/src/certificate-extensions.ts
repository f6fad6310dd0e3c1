import { DerError, derContent, derOnly, derValues } from "./der.ts";

/** What a certificate's extensions say, as far as an X509-SVID is judged by it (RFC 5280 §4.2.1). */
export interface CertificateExtensions {
  /** Every URI SAN, as it is in the certificate, one byte a character. */
  readonly uris: readonly string[];
  /** False where the extension is absent. */
  readonly isCa: boolean;
  /** Absent: the certificate does not restrict its key. */
  readonly keyUsage:
    | {
        readonly digitalSignature: boolean;
        readonly keyCertSign: boolean;
        readonly crlSign: boolean;
      }
    | undefined;
}

const TAG = { boolean: 1, bitString: 3, octetString: 4, oid: 6, sequence: 0x30 } as const;
/** `[3] EXPLICIT` in TBSCertificate, `[6] IMPLICIT IA5String` in GeneralName. */
const EXTENSIONS_TAG = 0xa3;
const URI_TAG = 0x86;
/** 2.5.29.x, as hexadecimal DER. */
const OID = { keyUsage: "551d0f", subjectAltName: "551d11", basicConstraints: "551d13" } as const;
const TRUE = 0xff;

/**
 * Reads the extensions of a certificate.
 *
 * @throws {DerError} when the bytes are not a certificate in DER
 */
export function certificateExtensions(der: Uint8Array): CertificateExtensions {
  const extensions = extensionsOf(der);
  const names = extensions.get(OID.subjectAltName);
  const constraints = extensions.get(OID.basicConstraints);
  const usage = extensions.get(OID.keyUsage);
  return {
    uris: names === undefined ? [] : urisOf(names),
    isCa: constraints !== undefined && isCa(constraints),
    keyUsage: usage === undefined ? undefined : keyUsageOf(usage),
  };
}

/** The extensions' values by their OID. */
function extensionsOf(der: Uint8Array): ReadonlyMap<string, Uint8Array> {
  const [tbs] = derValues(derOnly(der, TAG.sequence));
  const field = derValues(derContent(tbs, TAG.sequence)).find(({ tag }) => tag === EXTENSIONS_TAG);
  const extensions = new Map<string, Uint8Array>();
  if (field === undefined) {
    return extensions;
  }
  for (const extension of derValues(derOnly(field.content, TAG.sequence))) {
    const [type, ...rest] = derValues(derContent(extension, TAG.sequence));
    const oid = Buffer.from(derContent(type, TAG.oid)).toString("hex");
    if (extensions.has(oid)) {
      // RFC 5280 §4.2: never twice. Whoever reads the first sees another certificate than who reads the last.
      throw new DerError("an extension is there twice");
    }
    // The middle one, when there are three, is `critical`.
    extensions.set(oid, derContent(rest.at(-1), TAG.octetString));
  }
  return extensions;
}

function urisOf(value: Uint8Array): readonly string[] {
  return derValues(derOnly(value, TAG.sequence))
    .filter(({ tag }) => tag === URI_TAG)
    .map(({ content }) => Buffer.from(content).toString("latin1"));
}

function isCa(value: Uint8Array): boolean {
  const [first] = derValues(derOnly(value, TAG.sequence));
  return first?.tag === TAG.boolean && first.content[0] === TRUE;
}

function keyUsageOf(value: Uint8Array): CertificateExtensions["keyUsage"] {
  // The first byte says how many bits of the last one are unused; bit 0 is the highest (X.690 §8.6).
  const bits = derOnly(value, TAG.bitString)[1] ?? 0;
  return {
    digitalSignature: (bits & 0x80) !== 0,
    keyCertSign: (bits & 0x04) !== 0,
    crlSign: (bits & 0x02) !== 0,
  };
}
