import { DER, type DerValue, derContent, derInteger, derOnly, derValues } from "./der.ts";
import { type DerExtension, derExtensions } from "./der-extensions.ts";

/** What a certificate's extensions say, as far as it is judged here (RFC 5280 §4.2.1). */
export interface CertificateExtensions {
  /** Every URI SAN, as it is in the certificate, one byte a character. */
  readonly uris: readonly string[];
  /** Every DNS SAN, likewise. */
  readonly dnsNames: readonly string[];
  /** False where the extension is absent. */
  readonly isCa: boolean;
  /** How many more CAs may follow below this one; absent: any number. */
  readonly pathLength: number | undefined;
  /** Absent: the certificate does not restrict its key. */
  readonly keyUsage:
    | {
        readonly digitalSignature: boolean;
        readonly keyCertSign: boolean;
        readonly crlSign: boolean;
      }
    | undefined;
}

/** `[3] EXPLICIT` in TBSCertificate, `[2]` and `[6] IMPLICIT IA5String` in GeneralName. */
const EXTENSIONS_TAG = 0xa3;
const DNS_TAG = 0x82;
const URI_TAG = 0x86;
/** 2.5.29.x, as hexadecimal DER. */
const OID = { keyUsage: "551d0f", subjectAltName: "551d11", basicConstraints: "551d13" } as const;
const TRUE = 0xff;
const NONE: ReadonlyMap<string, DerExtension> = new Map();

/**
 * Reads the extensions of a certificate.
 *
 * @throws {DerError} when the bytes are not a certificate in DER
 */
export function certificateExtensions(der: Uint8Array): CertificateExtensions {
  const [tbs] = derValues(derOnly(der, DER.sequence));
  const field = derValues(derContent(tbs, DER.sequence)).find(({ tag }) => tag === EXTENSIONS_TAG);
  const extensions = field === undefined ? NONE : derExtensions(field.content);
  const names = extensions.get(OID.subjectAltName);
  const constraints = extensions.get(OID.basicConstraints);
  const usage = extensions.get(OID.keyUsage);
  return {
    uris: names === undefined ? [] : namesOf(names.value, URI_TAG),
    dnsNames: names === undefined ? [] : namesOf(names.value, DNS_TAG),
    ...constraintsOf(constraints === undefined ? [] : derValues(derOnly(constraints.value, DER.sequence))),
    keyUsage: usage === undefined ? undefined : keyUsageOf(usage.value),
  };
}

function namesOf(value: Uint8Array, kind: number): readonly string[] {
  return derValues(derOnly(value, DER.sequence))
    .filter(({ tag }) => tag === kind)
    .map(({ content }) => Buffer.from(content).toString("latin1"));
}

function constraintsOf(values: readonly DerValue[]): { isCa: boolean; pathLength: number | undefined } {
  const [first] = values;
  const last = values.at(-1);
  return {
    isCa: first?.tag === DER.boolean && first.content[0] === TRUE,
    pathLength: last?.tag === DER.integer ? Number.parseInt(derInteger(last), 16) : undefined,
  };
}

function keyUsageOf(value: Uint8Array): CertificateExtensions["keyUsage"] {
  // The first byte says how many bits of the last one are unused; bit 0 is the highest (X.690 §8.6).
  const bits = derOnly(value, DER.bitString)[1] ?? 0;
  return {
    digitalSignature: (bits & 0x80) !== 0,
    keyCertSign: (bits & 0x04) !== 0,
    crlSign: (bits & 0x02) !== 0,
  };
}
