import { existsSync, realpathSync } from "node:fs";
import { CommandError } from "../command-line/command-error.ts";
import { relist, withIntermediateList, withRootList } from "./authority.ts";
import { type Distributed, distribute } from "./distribute.ts";
import { certificateIn } from "./issue.ts";
import { type Authority, changeIndex, type PkiIndex } from "./pki-index.ts";
import type { Place } from "./place.ts";
import type { RevocationReason } from "./revocation-list.ts";

/** What was revoked, and where that is known now. */
export interface Revocations extends Distributed {
  /** The names and serial numbers of what was good until now. */
  readonly revoked: readonly string[];
  readonly notes: readonly string[];
}

/**
 * Revokes a certificate by its serial number, or all that a folder has had and that are still good: whoever has read the folder has
 * them all. Then writes the new list into every folder. Revoking again only writes the list again.
 *
 * @throws {CommandError} when there is no such certificate, or a key is missing
 */
export async function revoke(
  place: Place,
  what: string,
  { reason, nowMs }: { readonly reason: RevocationReason; readonly nowMs: number },
): Promise<Revocations> {
  return changeIndex(place.pki, async (index, commit) => {
    const revoked = { at: new Date(nowMs).toISOString(), reason };
    const serials = new Set(serialsOf(place, index, what, nowMs));
    const names: string[] = [];
    const certificates = index.certificates.map((each) => {
      if (!serials.has(each.serial) || each.revoked !== undefined) return each;
      names.push(`${each.workload} ${each.serial}`);
      return { ...each, revoked };
    });
    const authorities: Authority[] = [];
    for (const before of index.authorities) {
      let authority = before;
      const { intermediate } = before;
      if (serials.has(intermediate.serial) && intermediate.revoked === undefined) {
        names.push(`${intermediate.name} ${intermediate.serial}`);
        authority = await withRootList(place, { ...before, intermediate: { ...intermediate, revoked } }, nowMs);
      }
      if (certificates.some((each, n) => each !== index.certificates[n] && each.authority === before.id)) {
        authority = await withIntermediateList(place, authority, certificates, nowMs);
      }
      authorities.push(authority);
    }
    const next = await relist(place, { ...index, certificates, authorities }, nowMs, "due");
    commit(next.index);
    return { revoked: names, notes: next.notes, ...distribute(next.index) };
  });
}

function serialsOf(place: Place, index: PkiIndex, what: string, nowMs: number): readonly string[] {
  const serial = what.replaceAll(":", "").toLowerCase();
  if (index.authorities.some(({ root }) => root.serial === serial)) {
    throw new CommandError("A root cannot be revoked, since nobody is above it; replace it with rotate-ca.");
  }
  const known = [...index.authorities.map(({ intermediate }) => intermediate), ...index.certificates];
  if (known.some((each) => each.serial === serial)) return [serial];
  if (!existsSync(what)) {
    throw new CommandError(`"${what}" is neither a serial number of the PKI in ${place.pki} nor a folder.`);
  }
  const current = certificateIn(place, index, what);
  const folder = realpathSync(what);
  const earlier = index.certificates.filter((each) => each.folder === folder && Date.parse(each.to) > nowMs);
  return [current, ...earlier].map((each) => each.serial);
}
