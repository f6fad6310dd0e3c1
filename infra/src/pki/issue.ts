import { existsSync, mkdirSync, realpathSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { CommandError, systemReason } from "../command-line/command-error.ts";
import { intermediateSigner, pastHalf, relist, revocationListsOf, trustBundleOf } from "./authority.ts";
import { CLOCK_SKEW_MS, lifeOf, signLeaf } from "./certificates.ts";
import { distribute } from "./distribute.ts";
import { privateKeyPem } from "./key-pair.ts";
import { activeAuthority, changeIndex, type IssuedCertificate, type PkiIndex, withCertificate } from "./pki-index.ts";
import type { Place } from "./place.ts";
import { leafIn, type Staged, stageTlsFiles, type TlsFiles, tlsFiles } from "./tls-folder.ts";

/** A certificate to be issued. */
export interface IssueOptions {
  /** The last part of its SPIFFE ID, and the first of its DNS name. */
  readonly workload: string;
  readonly folder: string;
  /** DNS names besides its own. */
  readonly dns?: readonly string[];
  readonly lifeMs: number;
  readonly nowMs: number;
  /** Who writes the files. Default: {@link stageTlsFiles}. */
  readonly stage?: (folder: string, files: TlsFiles) => Staged;
}

/** A certificate that is in its folder, and what its user should know besides. */
export interface Issued {
  readonly certificate: IssuedCertificate;
  readonly notes: readonly string[];
}

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * Issues a certificate to a workload and writes it with its key into a folder that has none yet.
 *
 * @throws {CommandError} with nothing changed
 */
export async function issue(place: Place, options: IssueOptions): Promise<Issued> {
  const { workload } = options;
  if (!LABEL.test(workload)) {
    throw new CommandError(`"${workload}" cannot be a workload's name: 1 to 63 of a-z 0-9 and -, as in order-service.`);
  }
  return changeIndex(place.pki, async (index, commit) => {
    const own = `${workload}.${index.trustDomain}`;
    const dns = new Set([own, ...(options.dns ?? []).map((name) => checkedDnsName(name, own, index.trustDomain))]);
    const { folder, remove } = freshFolder(options.folder);
    try {
      return await put(place, index, commit, { ...options, dns: [...dns], folder });
    } catch (error) {
      remove();
      throw error;
    }
  });
}

/** What became of a folder that was to be renewed. */
export type Renewal =
  | { readonly outcome: "renewed"; readonly certificate: IssuedCertificate; readonly notes: readonly string[] }
  | { readonly outcome: "not due"; readonly certificate: IssuedCertificate }
  | { readonly outcome: "failed"; readonly why: string };

/** What is to be renewed, and when. */
export interface RenewOptions {
  /** Also what is not past half of its life, and what was revoked. */
  readonly force?: boolean;
  /** Default: as long as before. */
  readonly lifeMs?: number;
  readonly nowMs: number;
}

/** Gives the workload of a folder a new key and a new certificate, in place, when the old one is past half of its life. */
export async function renew(place: Place, folder: string, options: RenewOptions): Promise<Renewal> {
  const { nowMs, force = false } = options;
  try {
    return await changeIndex(place.pki, async (index, commit): Promise<Renewal> => {
      const certificate = certificateIn(place, index, folder);
      if (!force && certificate.revoked !== undefined) {
        const why = `The certificate of ${certificate.workload} in ${folder} was revoked; renew it with --force if it may have another, or remove the folder.`;
        throw new CommandError(why);
      }
      if (!force && !pastHalf(certificate, nowMs)) return { outcome: "not due", certificate };
      const lifeMs = options.lifeMs ?? Date.parse(certificate.to) - Date.parse(certificate.from) - CLOCK_SKEW_MS;
      const { workload, dns } = certificate;
      const leaf = { workload, dns, folder: realpathSync(folder), lifeMs, nowMs };
      return { outcome: "renewed", ...(await put(place, index, commit, leaf)) };
    });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return { outcome: "failed", why: error.message };
  }
}

/** @throws {CommandError} when the folder has no certificate of this PKI */
export function certificateIn(place: Place, index: PkiIndex, folder: string): IssuedCertificate {
  const serial = leafIn(folder)?.serialNumber.toLowerCase();
  if (serial === undefined)
    throw new CommandError(`${folder} has no tls.crt; issue one into it with: pnpm zt pki issue`);
  const certificate = index.certificates.find((each) => each.serial === serial);
  if (certificate === undefined) {
    throw new CommandError(`The certificate in ${folder} was not issued by the PKI in ${place.pki}.`);
  }
  return certificate;
}

async function put(
  place: Place,
  before: PkiIndex,
  commit: (next: PkiIndex) => void,
  leaf: Required<Pick<IssueOptions, "workload" | "dns" | "folder" | "lifeMs" | "nowMs">> & Pick<IssueOptions, "stage">,
): Promise<Issued> {
  const { workload, dns, folder, nowMs, stage = stageTlsFiles } = leaf;
  const { index, notes } = await relist(place, before, nowMs, "due");
  const authority = activeAuthority(index);
  const life = lifeOf(leaf.lifeMs, nowMs);
  const { intermediate } = authority;
  if (intermediate.revoked !== undefined) {
    throw new CommandError(`${intermediate.name} is revoked, so nobody lets in what it signs; go on with rotate-ca.`);
  }
  if (life.toMs > Date.parse(intermediate.to)) {
    const end = intermediate.to.slice(0, 10);
    throw new CommandError(
      `${intermediate.name} ends on ${end}, before the certificate would; ask for less, or rotate-ca.`,
    );
  }
  const spiffeId = `spiffe://${index.trustDomain}/${workload}`;
  const signer = await intermediateSigner(place, authority);
  const signed = await signLeaf({ spiffeId, name: workload, dns, life }, signer);
  const staged = stage(folder, {
    "tls.crt": signed.certificate + intermediate.certificate,
    "tls.key": await privateKeyPem(signed.key),
    "ca.crt": trustBundleOf(index),
    "ca.crl": revocationListsOf(index),
  });
  const certificate = {
    serial: signed.serial,
    workload,
    dns,
    authority: authority.id,
    from: new Date(life.fromMs).toISOString(),
    to: new Date(life.toMs).toISOString(),
    folder,
  };
  const next = withCertificate(index, certificate, nowMs);
  try {
    // First the index: a certificate that is in use and not in it could not be revoked.
    commit(next);
  } catch (error) {
    staged.discard();
    throw error;
  }
  staged.publish();
  // Lists that were due and have been signed anew are of use only where they are read.
  const { failures } = index.authorities.some((each, n) => each !== before.authorities[n])
    ? distribute(next)
    : { failures: [] };
  return { certificate, notes: [...notes, ...failures] };
}

/** Makes a folder, where it is not there yet, and refuses one that has a certificate. */
function freshFolder(path: string): { readonly folder: string; readonly remove: () => void } {
  const taken = tlsFiles.find((name) => existsSync(join(path, name)));
  if (taken !== undefined) {
    throw new CommandError(`${resolve(path)} has a ${taken} already; renew what is there, or choose another folder.`);
  }
  try {
    const made = mkdirSync(path, { recursive: true });
    return {
      // By the one name that it has however it was reached, since the index knows it by that.
      folder: realpathSync(path),
      remove: () => made !== undefined && rmSync(made, { recursive: true, force: true }),
    };
  } catch (cause) {
    throw new CommandError(`${resolve(path)} cannot be made: ${systemReason(cause)}.`, { cause });
  }
}

function checkedDnsName(name: string, own: string, trustDomain: string): string {
  const labels = name.split(".");
  // A wildcard would make the workload the server of every name; digits alone at the end are an IP address.
  if (name.length > 253 || !labels.every((label) => LABEL.test(label)) || /^[0-9]+$/.test(labels.at(-1) ?? "")) {
    throw new CommandError(
      `"${name}" cannot be a DNS name here: labels of a-z 0-9 and -, no wildcard and no IP address.`,
    );
  }
  if (`.${name}`.endsWith(`.${trustDomain}`) && name !== own) {
    throw new CommandError(
      `"${name}" is the name of another workload of ${trustDomain}; issue a certificate to that one.`,
    );
  }
  return name;
}
