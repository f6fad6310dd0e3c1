import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CommandError, systemReason } from "../command-line/command-error.ts";
import { withLock } from "../command-line/lock.ts";
import { replaceFile } from "../command-line/replace-file.ts";
import type { Revocation, RevocationReason } from "./revocation-list.ts";

/** All that a PKI knows, but for the private keys: one file, so that it changes in one step. */
export interface PkiIndex {
  readonly version: 1;
  readonly trustDomain: string;
  /** The authority that signs. */
  readonly active: number;
  /** One, or two while `rotate-ca` is on its way; all of them are trusted. */
  readonly authorities: readonly Authority[];
  /** The oldest first. */
  readonly certificates: readonly IssuedCertificate[];
}

/** A root and its intermediate. */
export interface Authority {
  readonly id: number;
  readonly root: CaRecord;
  readonly intermediate: CaRecord;
}

/** A CA's certificate, what it has revoked, and its revocation list. */
export interface CaRecord extends Dates {
  readonly name: string;
  readonly serial: string;
  /** PEM. */
  readonly certificate: string;
  readonly crl: { readonly number: number; readonly pem: string } & Dates;
  readonly revoked?: Revoked;
}

/** A workload's certificate. */
export interface IssuedCertificate extends Dates {
  readonly serial: string;
  readonly workload: string;
  readonly dns: readonly string[];
  readonly authority: number;
  /** Where it was written, absolute. */
  readonly folder: string;
  readonly revoked?: Revoked;
}

export type Revoked = Omit<Revocation, "serial"> & { readonly reason: RevocationReason };

/** ISO 8601, UTC. */
interface Dates {
  readonly from: string;
  readonly to: string;
}

const DAY_MS = 86_400_000;
/** For so long after its end a certificate is still shown. */
const REMEMBERED_MS = 30 * DAY_MS;

const indexFile = (pki: string) => join(pki, "index.json");

/** @throws {CommandError} when the folder is no PKI */
export function readIndex(pki: string): PkiIndex {
  let text: string;
  try {
    text = readFileSync(indexFile(pki), "utf8");
  } catch (cause) {
    const absent = cause instanceof Error && "code" in cause && (cause.code === "ENOENT" || cause.code === "ENOTDIR");
    throw new CommandError(
      absent
        ? `There is no PKI in ${pki}; make one with: pnpm zt pki init --dir ${pki}`
        : `${indexFile(pki)} cannot be read: ${systemReason(cause)}.`,
      { cause },
    );
  }
  const index = parse(text);
  if (index === undefined) throw new CommandError(`${indexFile(pki)} is damaged; bring back a copy of it.`);
  return index;
}

/** Writes the index of a new PKI, or a changed one; a crash leaves the old or the new. */
export function writeIndex(pki: string, index: PkiIndex): void {
  try {
    replaceFile(indexFile(pki), `${JSON.stringify(index, null, 2)}\n`, 0o644);
  } catch (cause) {
    throw new CommandError(`${indexFile(pki)} cannot be written: ${systemReason(cause)}; nothing has changed.`, {
      cause,
    });
  }
}

/**
 * Changes a PKI, one process at a time.
 *
 * @param work - gets the index and what writes a new one; the folders that show its content are written by it too, so that of two
 *   processes none puts an older list over a newer one
 */
export async function changeIndex<T>(
  pki: string,
  work: (index: PkiIndex, commit: (next: PkiIndex) => void) => Promise<T>,
): Promise<T> {
  readIndex(pki);
  return withLock(join(pki, "lock"), () => work(readIndex(pki), (next) => writeIndex(pki, next)), { what: "the PKI" });
}

/** The newest certificate of each folder. */
export function certificatesInUse(index: PkiIndex): ReadonlyMap<string, IssuedCertificate> {
  return new Map(index.certificates.map((certificate) => [certificate.folder, certificate]));
}

/** An index with one more certificate, and without those that ended so long ago that nobody asks. */
export function withCertificate(index: PkiIndex, certificate: IssuedCertificate, nowMs: number): PkiIndex {
  const certificates = [...index.certificates, certificate];
  const inUse = new Set(certificatesInUse({ ...index, certificates }).values());
  return {
    ...index,
    certificates: certificates.filter((each) => inUse.has(each) || Date.parse(each.to) > nowMs - REMEMBERED_MS),
  };
}

export function activeAuthority(index: PkiIndex): Authority {
  const active = index.authorities.find(({ id }) => id === index.active);
  if (active === undefined) throw new CommandError("The index of the PKI is damaged; bring back a copy of it.");
  return active;
}

function parse(text: string): PkiIndex | undefined {
  try {
    const index = JSON.parse(text) as Partial<PkiIndex> | null;
    const good =
      index?.version === 1 &&
      typeof index.trustDomain === "string" &&
      Array.isArray(index.certificates) &&
      Array.isArray(index.authorities) &&
      index.authorities.some(({ id }) => id === index.active);
    return good ? (index as PkiIndex) : undefined;
  } catch {
    return undefined;
  }
}
