import type { X509Certificate } from "node:crypto";
import { certificateExtensions } from "./certificate-extensions.ts";
import { certificateFields } from "./certificate-fields.ts";

/** How many intermediates a chain of ours may have: each is one more who can make certificates. */
const MAX_INTERMEDIATES = 3;

/** A chain that leads to no root; the message says why, in a sentence's second half. */
export class CertificateChainError extends Error {
  override readonly name = "CertificateChainError";
}

/** Whether `issuer` signed the certificate, as a CA that may: names, key identifiers, key usage and the signature itself. */
export function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
  } catch {
    // A key of a kind that cannot have made the signature.
    return false;
  }
}

/** Whether subject and issuer are one name: a root, if the signature is its own. */
export function isSelfIssued(certificate: X509Certificate): boolean {
  const { issuer, subject } = certificateFields(certificate.raw);
  return issuer === subject;
}

/**
 * The issuers of a leaf, nearest first, up to and with a root.
 *
 * @param others - what may stand between
 * @param authorities - what may stand at the end: the self-issued ones of these
 * @throws {CertificateChainError} when they lead nowhere, are expired, too many, or more than one of them allows
 */
export function issuersOf(
  leaf: X509Certificate,
  others: readonly X509Certificate[],
  authorities: readonly X509Certificate[],
  nowMs: number,
): readonly X509Certificate[] {
  const roots = authorities.filter(isSelfIssued);
  const issuers: X509Certificate[] = [];
  let last = leaf;
  for (;;) {
    const root = current(roots, last, nowMs);
    if (root !== undefined) {
      issuers.push(root);
      break;
    }
    const issuer = current(others, last, nowMs, issuers);
    if (issuer === undefined) {
      throw new CertificateChainError("leads to none of the roots");
    }
    issuers.push(issuer);
    if (issuers.length > MAX_INTERMEDIATES) {
      throw new CertificateChainError(`has more than ${MAX_INTERMEDIATES} intermediates`);
    }
    last = issuer;
  }
  const late = issuers.find(({ validToDate }) => nowMs >= validToDate.getTime());
  if (late !== undefined) {
    throw new CertificateChainError(`has an issuer that expired at ${late.validToDate.toISOString()}`);
  }
  issuers.forEach((issuer, below) => {
    if (below > (certificateExtensions(issuer.raw).pathLength ?? MAX_INTERMEDIATES)) {
      throw new CertificateChainError("has more intermediates than one of its CAs allows");
    }
  });
  return issuers;
}

/** An issuer of the certificate, one that has not expired rather than one that has: a CA may be renewed with the same key. */
function current(
  candidates: readonly X509Certificate[],
  certificate: X509Certificate,
  nowMs: number,
  used: readonly X509Certificate[] = [],
): X509Certificate | undefined {
  const issuers = candidates.filter((each) => !used.includes(each) && isIssuedBy(certificate, each));
  return issuers.find(({ validToDate }) => nowMs < validToDate.getTime()) ?? issuers[0];
}
