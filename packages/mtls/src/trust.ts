import type { X509Certificate } from "node:crypto";
import { isIssuedBy } from "./certificate-chain.ts";
import { type CertificateFields, certificateFields } from "./certificate-fields.ts";
import { DerError } from "./der.ts";
import type { RevocationList } from "./revocation-lists.ts";

/** What is trusted: the CA bundle and its revocation lists, one object for each version of them. */
export interface Trust {
  /**
   * Why a chain that TLS verified once is not, or no longer, to be trusted: a sentence for the log, undefined if it is good.
   *
   * @param chain - the leaf first, then its issuers as far as they are known
   * @param nowMs - epoch milliseconds
   */
  complaint(chain: readonly X509Certificate[], nowMs: number): string | undefined;
  /**
   * Whether something that `earlier` let pass is no longer let pass: an authority is gone, a certificate newly revoked. A list
   * that was only issued anew, or an authority more, is no tightening.
   */
  tightens(earlier: Trust): boolean;
}

/** A certificate, and what a CRL and an issuer know it by. */
interface Known extends CertificateFields {
  readonly certificate: X509Certificate;
  /** Epoch milliseconds. */
  readonly endsAtMs: number;
}

/** A connection is asked about each second, and its certificates stay what they are: read and verified once. */
const knownCertificates = new WeakMap<X509Certificate, Known>();
const verdicts = new WeakMap<X509Certificate, WeakMap<X509Certificate, boolean>>();

/** What a {@link BundleTrust} is made of. */
export interface BundleTrustOptions {
  /** The CA bundle; its self-issued certificates are the roots. */
  readonly authorities: readonly X509Certificate[];
  /** What Node does not always show of a peer's chain: the intermediates that we know. */
  readonly intermediates?: readonly X509Certificate[];
  /** Empty: revocation is not looked at. */
  readonly lists?: readonly RevocationList[];
  /** What it follows: an issuer that had a list then, and has none now, does not pass without. */
  readonly earlier?: BundleTrust | undefined;
}

/** Trust in a CA bundle and its revocation lists. */
export class BundleTrust implements Trust {
  readonly #authorities: readonly Known[];
  readonly #roots: readonly Known[];
  readonly #intermediates: readonly Known[];
  readonly #lists: readonly RevocationList[];
  /** The names of issuers whose certificates pass with a current list only; none where no list is used. */
  readonly #listed: ReadonlySet<string>;
  #revokedKeys: ReadonlySet<string> | undefined;

  constructor({ authorities, intermediates = [], lists = [], earlier }: BundleTrustOptions) {
    this.#authorities = authorities.map(known);
    this.#roots = this.#authorities.filter(({ issuer, subject }) => issuer === subject);
    this.#lists = lists;
    // Of an intermediate that has a list, the certificate is known too.
    this.#intermediates = [...authorities, ...intermediates, ...lists.map(({ signer }) => signer)].map(known);
    this.#listed = new Set([
      ...lists.map(({ crl }) => crl.issuer),
      ...(lists.length === 0 ? [] : this.#roots.map(({ subject }) => subject)),
      ...(earlier === undefined ? [] : earlier.#listed),
    ]);
  }

  complaint(chain: readonly X509Certificate[], nowMs: number): string | undefined {
    try {
      return this.#complaint(chain.map(known), nowMs);
    } catch (error) {
      if (error instanceof DerError) {
        return "The certificate cannot be read.";
      }
      throw error;
    }
  }

  tightens(earlier: Trust): boolean {
    if (!(earlier instanceof BundleTrust)) {
      return true;
    }
    const revoked = earlier.#revoked;
    return (
      earlier.#authorities.some((each) => !this.#authorities.some((ours) => isSameCa(ours, each))) ||
      this.#revoked.values().some((each) => !revoked.has(each)) ||
      // Without a list where one is needed, nobody passes.
      [...this.#listed].some(
        (issuer) => !this.#hasList(issuer) && (earlier.#hasList(issuer) || !earlier.#listed.has(issuer)),
      ) ||
      // From the first list on, issuers that we do not know need one.
      (earlier.#lists.length === 0 && this.#lists.length > 0)
    );
  }

  #complaint(chain: readonly Known[], nowMs: number): string | undefined {
    const [leaf] = chain;
    if (leaf === undefined) {
      return "There is no certificate.";
    }
    const path = this.#pathOf(leaf, chain, nowMs);
    const anchored = this.#roots.includes(path.at(-1) ?? leaf);
    // What does not lead to a root that we know is all looked at: Node may not have shown what lies between.
    const looked = anchored ? path : [...path, ...chain.filter((each) => !path.includes(each))];
    for (const each of looked) {
      const complaint = this.#complaintOf(each, nowMs);
      if (complaint !== undefined) {
        return complaint;
      }
    }
    return anchored ? undefined : this.#complaintOfEnd(looked.at(-1) ?? leaf);
  }

  /** From the leaf from issuer to issuer, as far as they are known, at best to a root. */
  #pathOf(leaf: Known, chain: readonly Known[], nowMs: number): readonly Known[] {
    const path = [leaf];
    for (let last = leaf; !this.#roots.includes(last); last = path.at(-1) ?? leaf) {
      const candidates = [...this.#roots, ...chain, ...this.#intermediates].filter((each) => isIssuer(each, last));
      const fresh = candidates.filter((each) => !path.includes(each));
      // Of a CA that was issued anew with its key, the peer may use the new certificate.
      const issuer = fresh.find((each) => this.#complaintOf(each, nowMs) === undefined) ?? fresh[0];
      if (issuer === undefined) {
        break;
      }
      path.push(issuer);
    }
    return path;
  }

  #complaintOf({ endsAtMs, issuer, serialNumber }: Known, nowMs: number): string | undefined {
    // RFC 5280 §4.1.2.5: good through notAfter, that second included.
    if (nowMs >= endsAtMs + 1000) {
      return `The certificate ${serialNumber} has expired.`;
    }
    const lists = this.#lists.filter(({ crl }) => crl.issuer === issuer);
    if (lists.some(({ crl }) => crl.revoked.has(serialNumber))) {
      return `The certificate ${serialNumber} is revoked.`;
    }
    if (this.#listed.has(issuer) && !lists.some(({ crl }) => nowMs < crl.nextUpdateMs)) {
      return `The issuer of the certificate ${serialNumber} has no current CRL.`;
    }
    return undefined;
  }

  /** What is known of a certificate of which no issuer is: that it has none, or that none is the one that it names. */
  #complaintOfEnd({ serialNumber, issuer, subject }: Known): string | undefined {
    const isRoot = issuer === subject;
    const isOfRoot = this.#roots.some((each) => each.subject === issuer);
    return isRoot || isOfRoot
      ? `The certificate ${serialNumber} leads to a CA that is not, or no longer, trusted.`
      : undefined;
  }

  #hasList(issuer: string): boolean {
    return this.#lists.some(({ crl }) => crl.issuer === issuer);
  }

  /** Made once, since each server and channel asks, and a list may have thousands. */
  get #revoked(): ReadonlySet<string> {
    this.#revokedKeys ??= new Set(
      this.#lists.flatMap(({ crl }) => Array.from(crl.revoked, (serialNumber) => `${crl.issuer} ${serialNumber}`)),
    );
    return this.#revokedKeys;
  }
}

function known(certificate: X509Certificate): Known {
  let its = knownCertificates.get(certificate);
  if (its === undefined) {
    its = { certificate, endsAtMs: certificate.validToDate.getTime(), ...certificateFields(certificate.raw) };
    knownCertificates.set(certificate, its);
  }
  return its;
}

function isIssuer(issuer: Known, of: Known): boolean {
  if (issuer.subject !== of.issuer) {
    return false;
  }
  let its = verdicts.get(of.certificate);
  if (its === undefined) {
    its = new WeakMap();
    verdicts.set(of.certificate, its);
  }
  let verdict = its.get(issuer.certificate);
  if (verdict === undefined) {
    verdict = isIssuedBy(of.certificate, issuer.certificate);
    its.set(issuer.certificate, verdict);
  }
  return verdict;
}

/** One name and one key: a CA that was issued anew is the same CA. */
function isSameCa(one: Known, other: Known): boolean {
  return one.subject === other.subject && one.certificate.publicKey.equals(other.certificate.publicKey);
}
