import { type KeyObject, verify } from "node:crypto";
import { DER, DerError, type DerValue, derContent, derInteger, derOnly, derValues } from "./der.ts";
import { type DerExtension, derExtensions } from "./der-extensions.ts";
import { derTime } from "./der-time.ts";

/** A certificate revocation list (RFC 5280 §5). */
export interface Crl {
  /** The issuer's name, DER in hexadecimal, as `certificateFields` gives a certificate's names. */
  readonly issuer: string;
  /** Epoch milliseconds. */
  readonly thisUpdateMs: number;
  /** Epoch milliseconds; the list says nothing from then on. */
  readonly nextUpdateMs: number;
  /** Grows with each list of an issuer (§5.2.3); lists without extensions have none. */
  readonly number: bigint | undefined;
  /** The serial numbers of revoked certificates, as `certificateFields` gives them. */
  readonly revoked: ReadonlySet<string>;
  /** Whether the key's owner signed the list. */
  isSignedWith(publicKey: KeyObject): boolean;
}

/** Bytes that are not a CRL, or one of a kind that would be misread. */
export class CrlError extends Error {
  override readonly name = "CrlError";
}

interface SignatureAlgorithm {
  readonly keyType: string;
  /** Undefined: the algorithm brings its own. */
  readonly hash: string | undefined;
}

/** AlgorithmIdentifier, hexadecimal DER with its parameters (RFC 5758 §3.2, RFC 4055 §5, RFC 8410 §3): these and no others. */
const SIGNATURES: ReadonlyMap<string, SignatureAlgorithm> = new Map([
  ["06082a8648ce3d040302", { keyType: "ec", hash: "sha256" }],
  ["06082a8648ce3d040303", { keyType: "ec", hash: "sha384" }],
  ["06082a8648ce3d040304", { keyType: "ec", hash: "sha512" }],
  ["06092a864886f70d01010b0500", { keyType: "rsa", hash: "sha256" }],
  ["06092a864886f70d01010c0500", { keyType: "rsa", hash: "sha384" }],
  ["06092a864886f70d01010d0500", { keyType: "rsa", hash: "sha512" }],
  ["06032b6570", { keyType: "ed25519", hash: undefined }],
]);

/** `[0] EXPLICIT` in TBSCertList. */
const EXTENSIONS_TAG = 0xa0;
/** Version 2 is written as 1 (RFC 5280 §5.1.2.1); version 1 is not written, and has no extensions. */
const VERSION_2 = "01";
/** 2.5.29.x, as hexadecimal DER. */
const OID = {
  cRLNumber: "551d14",
  reasonCode: "551d15",
  deltaCrlIndicator: "551d1b",
  issuingDistributionPoint: "551d1c",
  certificateIssuer: "551d1d",
} as const;
/** Each makes the list say something else than "these of this issuer's, and all of them": a part of it, or other issuers'. */
const CHANGES_THE_MEANING = new Map<string, string>([
  [OID.deltaCrlIndicator, "it is a delta CRL, which says only what has changed"],
  [OID.issuingDistributionPoint, "it is an indirect or partial CRL"],
  [OID.certificateIssuer, "it is an indirect CRL"],
]);
const NONE: ReadonlyMap<string, DerExtension> = new Map();

/**
 * Reads a complete CRL of one issuer. Node has no reader for them, and OpenSSL's verdict comes in handshakes only. The signature is
 * not checked here: that takes the issuer's key.
 *
 * @throws {CrlError} when it is none, has no nextUpdate, or anything in it that is critical and not known
 */
export function parseCrl(der: Uint8Array): Crl {
  try {
    return read(der);
  } catch (cause) {
    if (cause instanceof DerError) {
      throw new CrlError(`the CRL cannot be read: ${cause.message}`, { cause });
    }
    throw cause;
  }
}

function read(der: Uint8Array): Crl {
  const [list, algorithm, signature, ...more] = derValues(derOnly(der, DER.sequence));
  if (list === undefined || algorithm === undefined || more.length > 0) {
    throw new DerError("expected a list, an algorithm and a signature");
  }
  const fields = [...derValues(derContent(list, DER.sequence))];
  const takeIf = (...tags: readonly number[]) => (tags.includes(fields[0]?.tag ?? -1) ? fields.shift() : undefined);
  const version = takeIf(DER.integer);
  if (version !== undefined && derInteger(version) !== VERSION_2) {
    throw new DerError("a version that is not 2");
  }
  const inner = fields.shift();
  const issuer = derContent(fields.shift(), DER.sequence);
  const thisUpdateMs = derTime(fields.shift());
  const nextUpdate = takeIf(DER.utcTime, DER.generalizedTime);
  if (nextUpdate === undefined) {
    throw new CrlError("the CRL does not say when the next one is due (nextUpdate)");
  }
  const entries = takeIf(DER.sequence);
  const last = version === undefined ? undefined : takeIf(EXTENSIONS_TAG);
  if (fields.length > 0) {
    throw new DerError("more than a CRL holds");
  }
  const extensions = last === undefined ? NONE : derExtensions(last.content);
  refuseUnknown(extensions, [OID.cRLNumber]);
  const number = extensions.get(OID.cRLNumber);
  return Object.freeze({
    issuer: Buffer.from(issuer).toString("hex"),
    thisUpdateMs,
    nextUpdateMs: derTime(nextUpdate),
    number: number === undefined ? undefined : crlNumber(number.value),
    revoked: revokedIn(entries, version !== undefined),
    isSignedWith: signatureCheck(list, sameAlgorithm(inner, algorithm), signatureBytes(signature)),
  });
}

/** RFC 5280 §5.2: a critical extension that is not known makes the list unusable. */
function refuseUnknown(extensions: ReadonlyMap<string, DerExtension>, known: readonly string[]): void {
  for (const [oid, { critical }] of extensions) {
    const why = CHANGES_THE_MEANING.get(oid);
    if (why !== undefined) {
      throw new CrlError(`the CRL is of a kind that is not supported: ${why}`);
    }
    if (critical && !known.includes(oid)) {
      throw new CrlError("the CRL has a critical extension that is not supported");
    }
  }
}

function crlNumber(value: Uint8Array): bigint {
  const [number, ...more] = derValues(value);
  const hex = derInteger(number);
  // RFC 5280 §5.2.3: at most 20 octets, and a growing sequence has no place for negative numbers.
  if (more.length > 0 || hex.length > 40 || hex >= "8") {
    throw new DerError("a CRL number that is negative or longer than 20 bytes");
  }
  return BigInt(`0x${hex}`);
}

function revokedIn(entries: DerValue | undefined, mayExtend: boolean): ReadonlySet<string> {
  const revoked = new Set<string>();
  for (const entry of entries === undefined ? [] : derValues(entries.content)) {
    const [serialNumber, date, extensions, ...more] = derValues(derContent(entry, DER.sequence));
    derTime(date);
    if (more.length > 0 || (extensions !== undefined && !mayExtend)) {
      throw new DerError("more than an entry holds");
    }
    if (extensions !== undefined) {
      refuseUnknown(derExtensions(extensions.bytes), [OID.reasonCode]);
    }
    revoked.add(derInteger(serialNumber));
  }
  return revoked;
}

/** RFC 5280 §5.1.1.2: the algorithm is said twice, once under the signature, and it is the same. */
function sameAlgorithm(inner: DerValue | undefined, outer: DerValue): SignatureAlgorithm {
  const said = Buffer.from(derContent(outer, DER.sequence)).toString("hex");
  if (Buffer.from(derContent(inner, DER.sequence)).toString("hex") !== said) {
    throw new DerError("two signature algorithms");
  }
  const algorithm = SIGNATURES.get(said);
  if (algorithm === undefined) {
    throw new CrlError("the CRL's signature algorithm is not supported: sign it with ECDSA, RSA (PKCS #1) or Ed25519");
  }
  return algorithm;
}

function signatureBytes(value: DerValue | undefined): Uint8Array {
  const content = derContent(value, DER.bitString);
  if (content[0] !== 0) {
    throw new DerError("a signature that is not of whole bytes");
  }
  return content.subarray(1);
}

function signatureCheck(
  list: DerValue,
  { keyType, hash }: SignatureAlgorithm,
  signature: Uint8Array,
): (publicKey: KeyObject) => boolean {
  return (publicKey) => {
    try {
      return publicKey.asymmetricKeyType === keyType && verify(hash, list.bytes, publicKey, signature);
    } catch {
      // A key that cannot make such a signature did not make this one.
      return false;
    }
  };
}
