import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import { CertificateChainError, isSelfIssued, issuersOf } from "./certificate-chain.ts";
import { certificateExtensions } from "./certificate-extensions.ts";
import { certificateFields } from "./certificate-fields.ts";
import { type IdentityRule, uriSan } from "./identity-rule.ts";
import { pemBlocks } from "./pem.ts";
import {
  isListOf,
  nameOf,
  type RevocationList,
  RevocationListsError,
  refuseOlder,
  revocationLists,
} from "./revocation-lists.ts";
import { sentence, TlsIdentityError, type TlsMaterial, type TlsMaterialNames } from "./tls-material.ts";
import { BundleTrust } from "./trust.ts";
import { parseX509Svid, type X509Svid, X509SvidError } from "./x509-svid.ts";

/** How long something is good for, epoch milliseconds. */
export interface Lifetime {
  readonly what: "certificate" | "ca" | "crl";
  readonly beginsAtMs: number;
  readonly endsAtMs: number;
}

/** Certificates, key and lists that fit together. */
export interface CheckedMaterial {
  /** Its `key` is not enumerable. It holds what was checked and nothing else that the texts may have held. */
  readonly material: TlsMaterial;
  readonly svid: X509Svid;
  readonly identityRule: IdentityRule;
  readonly trust: BundleTrust;
  readonly lists: readonly RevocationList[];
  /** The own chain's first, which is that of its part that ends first. */
  readonly lifetimes: readonly [Lifetime, ...Lifetime[]];
}

const CERTIFICATE_LABEL = "CERTIFICATE";

/** How material is checked. */
export interface CheckOptions {
  readonly identityRule?: IdentityRule | undefined;
  /** What was in use, which the new may follow but not loosen. */
  readonly earlier?: CheckedMaterial | undefined;
}

/**
 * Checks that certificates, key and lists are good and fit together, and that they may follow those that were in use.
 *
 * @throws {TlsIdentityError} saying which of them is wrong, and the way out
 */
export function checkedMaterial(
  texts: TlsMaterial,
  names: TlsMaterialNames,
  nowMs: number,
  { identityRule = uriSan, earlier }: CheckOptions = {},
): CheckedMaterial {
  const [leaf, ...others] = certificates(texts.cert, names.cert);
  const authorities = certificates(texts.ca, names.ca);
  if (!authorities.every(({ ca }) => ca)) {
    throw new TlsIdentityError(
      `${sentence(names.ca)} holds a certificate that is not a CA's; put the root certificates there.`,
    );
  }
  const svid = ownSvid(leaf, names.cert, identityRule);
  if (!leaf.checkPrivateKey(privateKey(texts.key, names.key))) {
    throw new TlsIdentityError(`${sentence(names.key)} does not belong to ${names.cert}; issue the two together.`);
  }
  checkDates(svid, names.cert, nowMs);
  if (earlier !== undefined && earlier.svid.spiffeId.uri !== svid.spiffeId.uri) {
    throw new TlsIdentityError(
      `${sentence(names.cert)} is that of ${svid.spiffeId.uri}, and this process is ${earlier.svid.spiffeId.uri}; ` +
        "issue it for the latter, or restart the process to change who it is.",
    );
  }
  const issuers = ownIssuers(leaf, others, authorities, { names, nowMs });
  const lists = ownLists(texts.crl, [...authorities, ...issuers], { names, nowMs, earlier });
  const trust = new BundleTrust({ authorities, intermediates: issuers.slice(0, -1), lists, earlier: earlier?.trust });
  checkRevocation([leaf, ...issuers], authorities, { names, nowMs, lists, trust });
  const chain = [leaf, ...issuers.slice(0, -1)].map((each) => lifetime("certificate", each));
  const material = frozen(texts, lists);
  refuseUnusable(material, lists, names);
  return {
    material,
    svid,
    identityRule,
    trust,
    lists,
    lifetimes: [
      chain.reduce((first, each) => (each.endsAtMs < first.endsAtMs ? each : first)),
      ...[...authorities, ...issuers.slice(0, -1)].map((each) => lifetime("ca", each)),
      ...lists.map(({ crl }) => ({ what: "crl" as const, beginsAtMs: crl.thisUpdateMs, endsAtMs: crl.nextUpdateMs })),
    ],
  };
}

/** The certificates of a PEM text, in their order. */
function certificates(pem: string, name: string): readonly [X509Certificate, ...X509Certificate[]] {
  const { blocks, unfinished } = pemBlocks(pem, CERTIFICATE_LABEL);
  const [first, ...more] = blocks;
  if (first === undefined) {
    throw new TlsIdentityError(`${sentence(name)} holds no certificate in PEM; issue it again.`);
  }
  if (unfinished) {
    throw new TlsIdentityError(`${sentence(name)} ends in the middle of a certificate; write it again.`);
  }
  try {
    const read: readonly [X509Certificate, ...X509Certificate[]] = [
      new X509Certificate(first),
      ...more.map((block) => new X509Certificate(block)),
    ];
    for (const { raw } of read) {
      // What our reader does not take would throw later, where nobody expects it.
      certificateFields(raw);
      certificateExtensions(raw);
    }
    return read;
  } catch {
    throw new TlsIdentityError(`${sentence(name)} holds a damaged certificate; issue it again.`);
  }
}

function ownSvid(leaf: X509Certificate, name: string, identityRule: IdentityRule): X509Svid {
  try {
    // X509-SVID §4.4: where there is an extended key usage, it names both uses.
    return parseX509Svid(leaf.raw, ["client", "server"], identityRule);
  } catch (cause) {
    const why = cause instanceof X509SvidError ? cause.message : "It cannot be read.";
    throw new TlsIdentityError(`${sentence(name)} is not an X509-SVID; issue one that is. ${why}`, { cause });
  }
}

function privateKey(pem: string, name: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    // Without its cause, on purpose: what a parser says of a key has no place in a log.
    throw new TlsIdentityError(`${sentence(name)} holds no unencrypted private key in PEM; issue it again.`);
  }
}

function checkDates(svid: X509Svid, name: string, nowMs: number): void {
  if (nowMs > svid.notAfterMs) {
    throw new TlsIdentityError(
      `${sentence(name)} expired at ${new Date(svid.notAfterMs).toISOString()}; issue a new one.`,
    );
  }
  if (nowMs < svid.notBeforeMs) {
    throw new TlsIdentityError(
      `${sentence(name)} is not valid before ${new Date(svid.notBeforeMs).toISOString()}; check this machine's clock.`,
    );
  }
}

interface Context {
  readonly names: TlsMaterialNames;
  readonly nowMs: number;
}

/** A chain that leads nowhere is found here, and not by each peer that refuses it. */
function ownIssuers(
  leaf: X509Certificate,
  others: readonly X509Certificate[],
  authorities: readonly X509Certificate[],
  { names, nowMs }: Context,
): readonly X509Certificate[] {
  try {
    return issuersOf(leaf, others, authorities, nowMs);
  } catch (cause) {
    if (cause instanceof CertificateChainError) {
      throw new TlsIdentityError(
        `The chain of ${names.cert} ${cause.message}; put the leaf and its intermediates there, and their root into ${names.ca}.`,
        { cause },
      );
    }
    throw cause;
  }
}

function ownLists(
  text: string | undefined,
  signers: readonly X509Certificate[],
  { names, nowMs, earlier }: Context & { readonly earlier: CheckedMaterial | undefined },
): readonly RevocationList[] {
  if (text === undefined) {
    if (earlier !== undefined && earlier.lists.length > 0) {
      throw new TlsIdentityError(
        `${sentence(names.crl)} is gone, and what it revokes stays revoked; put it back, or restart the process to do without.`,
      );
    }
    return [];
  }
  try {
    const lists = revocationLists(text, signers, nowMs);
    refuseOlder(lists, earlier?.lists ?? []);
    return lists;
  } catch (cause) {
    if (cause instanceof RevocationListsError) {
      throw new TlsIdentityError(`${sentence(names.crl)} ${cause.message}`, { cause });
    }
    throw cause;
  }
}

function checkRevocation(
  chain: readonly X509Certificate[],
  authorities: readonly X509Certificate[],
  { names, nowMs, lists, trust }: Context & { readonly lists: readonly RevocationList[]; readonly trust: BundleTrust },
): void {
  if (lists.length === 0) {
    return;
  }
  // OpenSSL refuses every chain of which one CA has no list (RFC 5280 §6.3): not one peer would be let in.
  const lonely = [...authorities.filter(isSelfIssued), ...chain.slice(1)].find(
    (authority) => !lists.some((list) => isListOf(list, authority)),
  );
  if (lonely !== undefined) {
    throw new TlsIdentityError(
      `${sentence(names.crl)} holds no CRL of ${nameOf(lonely)}; add one, which may be empty: each root and each intermediate needs its own.`,
    );
  }
  const complaint = trust.complaint(chain, nowMs);
  if (complaint !== undefined) {
    throw new TlsIdentityError(
      `${sentence(names.cert)} cannot be used with ${names.crl}; issue a new one. ${complaint}`,
    );
  }
}

function lifetime(what: Lifetime["what"], { validFromDate, validToDate }: X509Certificate): Lifetime {
  return { what, beginsAtMs: validFromDate.getTime(), endsAtMs: validToDate.getTime() };
}

function frozen({ cert, key, ca, crl }: TlsMaterial, lists: readonly RevocationList[]): TlsMaterial {
  const only = (text: string) => pemBlocks(text, CERTIFICATE_LABEL).blocks.join("");
  const material = {
    cert: only(cert),
    key,
    ca: only(ca),
    ...(crl === undefined ? {} : { crl: lists.map(({ pem }) => pem).join("") }),
  };
  return Object.freeze(Object.defineProperty(material, "key", { enumerable: false }));
}

/** What Node does not take for another reason, such as a key that is too short, is to be found out now and not when it is needed. */
function refuseUnusable(
  { cert, key, ca }: TlsMaterial,
  lists: readonly RevocationList[],
  names: TlsMaterialNames,
): void {
  try {
    createSecureContext({ cert, key, ca, ...(lists.length === 0 ? {} : { crl: lists.map(({ pem }) => pem) }) });
  } catch (cause) {
    // Its code and no more: what a parser says of a key has no place in a log.
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
    throw new TlsIdentityError(`TLS cannot be spoken with ${names.cert} and ${names.key} (${code}); issue them again.`);
  }
}
