import { existsSync } from "node:fs";
import { type Signed, type Signer, signIntermediate, signRoot } from "./certificates.ts";
import { privateKeyPem, readPrivateKey } from "./key-pair.ts";
import type { Authority, CaRecord, IssuedCertificate, PkiIndex } from "./pki-index.ts";
import { intermediateKeyFile, type Place, rootKeyFile, rootKeyFolder, writeKeys } from "./place.ts";
import { type Revocation, signRevocationList } from "./revocation-list.ts";

const DAY_MS = 86_400_000;
/** Long enough for a weekend without renewals; a revocation does not wait for it, it is written into the folders at once. */
export const INTERMEDIATE_LIST_LIFE_MS: number = 7 * DAY_MS;
/** The key is offline: it is fetched twice a year. */
export const ROOT_LIST_LIFE_MS: number = 180 * DAY_MS;

/** Makes a root and an intermediate with their keys and empty revocation lists. Nothing refers to the keys until an index does. */
export async function newAuthority(
  place: Place,
  { id, trustDomain, nowMs }: { readonly id: number; readonly trustDomain: string; readonly nowMs: number },
): Promise<Authority> {
  // Verifiers look issuers up by name: those of two authorities must differ.
  const names = { root: `${trustDomain} root ${id}`, intermediate: `${trustDomain} intermediate ${id}` };
  const root = await signRoot(names.root, nowMs);
  const intermediate = await signIntermediate(names.intermediate, root, nowMs);
  writeKeys(place, id, { root: await privateKeyPem(root.key), intermediate: await privateKeyPem(intermediate.key) });
  return {
    id,
    root: await listed(recordOf(names.root, root), [], root, nowMs, ROOT_LIST_LIFE_MS),
    intermediate: await listed(
      recordOf(names.intermediate, intermediate),
      [],
      intermediate,
      nowMs,
      INTERMEDIATE_LIST_LIFE_MS,
    ),
  };
}

/** The intermediate that signs leaves. */
export async function intermediateSigner(place: Place, { id, intermediate }: Authority): Promise<Signer> {
  const path = intermediateKeyFile(place, id);
  const absent = `The intermediate's key ${path} is not there; bring it back, or make a new CA with rotate-ca.`;
  return { certificate: intermediate.certificate, key: await readPrivateKey(path, absent) };
}

/** An authority whose intermediate has a new revocation list. */
export async function withIntermediateList(
  place: Place,
  authority: Authority,
  certificates: readonly IssuedCertificate[],
  nowMs: number,
): Promise<Authority> {
  const revocations = certificates.flatMap(({ serial, authority: id, revoked, to }): Revocation[] =>
    // Until a list that is newer than the certificate's end has replaced every list in use (RFC 5280 §3.3).
    id === authority.id && revoked !== undefined && Date.parse(to) > nowMs - INTERMEDIATE_LIST_LIFE_MS
      ? [{ serial, ...revoked }]
      : [],
  );
  const signer = await intermediateSigner(place, authority);
  const intermediate = await listed(authority.intermediate, revocations, signer, nowMs, INTERMEDIATE_LIST_LIFE_MS);
  return { ...authority, intermediate };
}

/** An authority whose root has a new revocation list. */
export async function withRootList(place: Place, authority: Authority, nowMs: number): Promise<Authority> {
  const { serial, revoked } = authority.intermediate;
  const path = rootKeyFile(place, authority.id);
  const absent = `The root's key ${path} is not there; bring it back for this, or name its folder with --root-keys.`;
  const signer = { certificate: authority.root.certificate, key: await readPrivateKey(path, absent) };
  const revocations = revoked === undefined ? [] : [{ serial, ...revoked }];
  return { ...authority, root: await listed(authority.root, revocations, signer, nowMs, ROOT_LIST_LIFE_MS) };
}

/** An index with new revocation lists, and what its user should know about them. */
export interface Relisted {
  readonly index: PkiIndex;
  readonly notes: readonly string[];
}

/**
 * Signs the revocation lists anew: those that are past half of their life, or all. A root whose key is offline keeps its list while
 * it is good.
 */
export async function relist(place: Place, index: PkiIndex, nowMs: number, which: "due" | "all"): Promise<Relisted> {
  const notes: string[] = [];
  const authorities: Authority[] = [];
  for (const before of index.authorities) {
    let authority = before;
    if (which === "all" || pastHalf(authority.intermediate.crl, nowMs)) {
      authority = await withIntermediateList(place, authority, index.certificates, nowMs);
    }
    const rootDue = pastHalf(authority.root.crl, nowMs);
    if (existsSync(rootKeyFile(place, authority.id))) {
      if (which === "all" || rootDue) authority = await withRootList(place, authority, nowMs);
    } else if (rootDue) {
      const { name, crl } = authority.root;
      notes.push(
        `The revocation list of ${name} ends on ${crl.to.slice(0, 10)}, and nothing is let in after that: ` +
          `bring its key back to ${rootKeyFolder(place)} and run: pnpm zt pki crl --dir ${place.pki}`,
      );
    }
    authorities.push(authority);
  }
  return { index: { ...index, authorities }, notes };
}

/** Whether more than half of a life is over. */
export function pastHalf({ from, to }: { readonly from: string; readonly to: string }, nowMs: number): boolean {
  return nowMs >= (Date.parse(from) + Date.parse(to)) / 2;
}

/**
 * The roots to trust. While there are two, the intermediates too: a workload has the certificate of one of them in its own chain,
 * and would not know whose list the other one's is.
 */
export function trustBundleOf({ authorities }: PkiIndex): string {
  const roots = authorities.map(({ root }) => root.certificate);
  const intermediates = authorities.length > 1 ? authorities.map(({ intermediate }) => intermediate.certificate) : [];
  return [...roots, ...intermediates].join("");
}

/** One revocation list for each CA: once there is one, Node refuses what a CA without one has signed. */
export function revocationListsOf(index: PkiIndex): string {
  return index.authorities.map(({ root, intermediate }) => intermediate.crl.pem + root.crl.pem).join("");
}

function recordOf(name: string, { certificate, serial, life }: Signed): CaRecord {
  const from = new Date(life.fromMs).toISOString();
  const to = new Date(life.toMs).toISOString();
  return { name, serial, certificate, from, to, crl: { number: 0, pem: "", from, to } };
}

async function listed(
  ca: CaRecord,
  revoked: readonly Revocation[],
  signer: Signer,
  nowMs: number,
  lifeMs: number,
): Promise<CaRecord> {
  const number = ca.crl.number + 1;
  const pem = await signRevocationList({ number, revoked, nowMs, lifeMs }, signer);
  const crl = { number, pem, from: new Date(nowMs).toISOString(), to: new Date(nowMs + lifeMs).toISOString() };
  return { ...ca, crl };
}
