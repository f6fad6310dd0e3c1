import type { X509Certificate } from "node:crypto";
import { certificateExtensions } from "./certificate-extensions.ts";
import { certificateFields } from "./certificate-fields.ts";
import { type Crl, CrlError, parseCrl } from "./crl.ts";
import { pemBlock, pemBlocks } from "./pem.ts";

/** The PEM label that Node and OpenSSL ask for. */
export const CRL_LABEL = "X509 CRL";

/** A revocation list whose signature was verified with this CA's key. */
export interface RevocationList {
  readonly crl: Crl;
  /** As Node takes it. */
  readonly pem: string;
  readonly signer: X509Certificate;
}

/** Revocation lists that cannot be used; the message goes on after the name of their file. */
export class RevocationListsError extends Error {
  override readonly name = "RevocationListsError";
}

/**
 * Reads the revocation lists of a PEM text and verifies each with the CA that signed it.
 *
 * @param authorities - who may have signed one
 * @throws {RevocationListsError} when one is no good, of a stranger, not current, or two are of one CA
 */
export function revocationLists(
  pem: string,
  authorities: readonly X509Certificate[],
  nowMs: number,
): readonly RevocationList[] {
  const { blocks, unfinished } = pemBlocks(pem, CRL_LABEL);
  if (blocks.length === 0 && pemBlocks(pem, "CRL").blocks.length > 0) {
    throw new RevocationListsError(`has the PEM label CRL; write ${CRL_LABEL} instead.`);
  }
  if (blocks.length === 0 || unfinished) {
    throw new RevocationListsError(`holds ${unfinished ? "an unfinished" : "no"} CRL in PEM; issue it again.`);
  }
  const lists = blocks.map((block) => {
    const der = Buffer.from(block.replaceAll(/-----[^-]*-----/g, ""), "base64");
    const crl = crlOf(der);
    return { crl, pem: pemBlock(der, CRL_LABEL), signer: signerOf(crl, authorities) };
  });
  for (const list of lists) {
    checkDates(list, nowMs);
    if (lists.some((other) => other !== list && isOfSameCa(other, list))) {
      throw new RevocationListsError(`holds two CRLs of ${nameOf(list.signer)}; keep the newer one.`);
    }
  }
  return lists;
}

/** Whether two lists are of one CA: one name and one key, since a CA's successor may have its name. */
function isOfSameCa(one: RevocationList, other: RevocationList): boolean {
  return one.crl.issuer === other.crl.issuer && one.signer.publicKey.equals(other.signer.publicKey);
}

/** Whether a list is of this CA. */
export function isListOf(list: RevocationList, authority: X509Certificate): boolean {
  return (
    list.crl.issuer === certificateFields(authority.raw).subject && list.signer.publicKey.equals(authority.publicKey)
  );
}

/** @throws {RevocationListsError} when one of the lists is older than the one of the same CA that was in use */
export function refuseOlder(lists: readonly RevocationList[], earlier: readonly RevocationList[]): void {
  for (const list of lists) {
    const before = earlier.find((each) => isOfSameCa(each, list))?.crl;
    const { crl } = list;
    if (
      before !== undefined &&
      (crl.thisUpdateMs < before.thisUpdateMs || (crl.number ?? 0n) < (before.number ?? 0n))
    ) {
      throw new RevocationListsError(
        `holds a CRL of ${nameOf(list.signer)} that is older than the one in use; put the newest there.`,
      );
    }
  }
}

/** A CA's name for a sentence. */
export function nameOf(authority: X509Certificate): string {
  return `"${authority.subject.replaceAll("\n", ", ")}"`;
}

function crlOf(der: Uint8Array): Crl {
  try {
    return parseCrl(der);
  } catch (cause) {
    if (cause instanceof CrlError) {
      throw new RevocationListsError(`holds a CRL that cannot be used, since ${cause.message}; issue another.`, {
        cause,
      });
    }
    throw cause;
  }
}

function signerOf(crl: Crl, authorities: readonly X509Certificate[]): X509Certificate {
  const named = authorities.filter(({ raw }) => certificateFields(raw).subject === crl.issuer);
  const signer = named.find(({ publicKey }) => crl.isSignedWith(publicKey));
  if (signer === undefined) {
    throw new RevocationListsError(
      "holds a CRL that none of our CAs signed; take it out, or add the certificate of the CA that did to the CA bundle.",
    );
  }
  // RFC 5280 §6.3.3 (f); a CA without key usage may.
  if (!signer.ca || certificateExtensions(signer.raw).keyUsage?.crlSign === false) {
    throw new RevocationListsError(`holds a CRL of ${nameOf(signer)}, which may not sign CRLs (key usage cRLSign).`);
  }
  return signer;
}

function checkDates({ crl, signer }: RevocationList, nowMs: number): void {
  if (nowMs >= crl.nextUpdateMs) {
    throw new RevocationListsError(
      `holds a CRL of ${nameOf(signer)} that ended at ${new Date(crl.nextUpdateMs).toISOString()}; issue a new one.`,
    );
  }
  if (nowMs < crl.thisUpdateMs) {
    throw new RevocationListsError(
      `holds a CRL of ${nameOf(signer)} that begins at ${new Date(crl.thisUpdateMs).toISOString()}; check this machine's clock.`,
    );
  }
}
