import { rmSync } from "node:fs";
import { CommandError } from "../command-line/command-error.ts";
import { newAuthority, relist } from "./authority.ts";
import { type Distributed, distribute, foldersInUse } from "./distribute.ts";
import { type Renewal, renew } from "./issue.ts";
import { type Authority, certificatesInUse, changeIndex, type PkiIndex } from "./pki-index.ts";
import { intermediateKeyFile, type Place, rootKeyFile } from "./place.ts";

/**
 * Step 1: makes a new root and a new intermediate, and writes both roots, old and new, into every folder. The old one goes on
 * signing: nobody gets a certificate that a peer does not trust yet.
 */
export async function beginRotation(
  place: Place,
  nowMs: number,
): Promise<Distributed & { readonly authority: Authority; readonly notes: readonly string[] }> {
  return changeIndex(place.pki, async (index, commit) => {
    if (index.authorities.length > 1) {
      const step = index.active === newestId(index) ? "--finish" : "--reissue";
      throw new CommandError(`A rotation is on its way; go on with: pnpm zt pki rotate-ca ${step} --dir ${place.pki}`);
    }
    const authority = await newAuthority(place, { id: newestId(index) + 1, trustDomain: index.trustDomain, nowMs });
    const listed = await relist(place, index, nowMs, "due");
    const next = { ...listed.index, authorities: [...listed.index.authorities, authority] };
    commit(next);
    return { authority, notes: listed.notes, ...distribute(next) };
  });
}

/** A folder, and what became of it. */
export interface Reissued {
  readonly folder: string;
  readonly renewal: Renewal;
}

/**
 * Step 2: the new intermediate signs from now on, and every folder gets a certificate of it, but for those whose certificate is
 * revoked. What could not be written is written when this is done again.
 */
export async function reissue(place: Place, nowMs: number): Promise<readonly Reissued[]> {
  const folders = await changeIndex(place.pki, async (index, commit) => {
    refuseWithoutRotation(place, index);
    const id = newestId(index);
    if (index.active !== id) {
      // Who does not have the new root would refuse those who have a certificate of it.
      const { failures } = distribute(index);
      if (failures.length > 0) throw new CommandError(`${failures.join(" ")} Every folder needs the new root first.`);
      commit({ ...index, active: id });
    }
    const inUse = certificatesInUse(index);
    return foldersInUse(index).filter((folder) => {
      const certificate = inUse.get(folder);
      return certificate?.authority !== id && certificate?.revoked === undefined;
    });
  });
  const results: Reissued[] = [];
  for (const folder of folders) results.push({ folder, renewal: await renew(place, folder, { force: true, nowMs }) });
  return results;
}

/**
 * Step 3: takes the old root out of every folder, and deletes the old keys.
 *
 * @param options.force - though certificates of the old CA are still good
 * @throws {CommandError} naming the workloads that would be shut out
 */
export async function finishRotation(
  place: Place,
  { force = false, nowMs }: { readonly force?: boolean; readonly nowMs: number },
): Promise<Distributed> {
  return changeIndex(place.pki, async (index, commit) => {
    refuseWithoutRotation(place, index);
    if (index.active !== newestId(index)) {
      throw new CommandError(
        `First give everybody a new certificate: pnpm zt pki rotate-ca --reissue --dir ${place.pki}`,
      );
    }
    const late = [...certificatesInUse(index).values()].filter(
      ({ authority, revoked, to }) => authority !== index.active && revoked === undefined && Date.parse(to) > nowMs,
    );
    if (late.length > 0 && !force) {
      const who = late.map(({ workload, folder }) => `${workload} in ${folder}`).join(", ");
      throw new CommandError(
        `Certificates of the old CA are in use and would be refused: ${who}; run rotate-ca --reissue, or add --force.`,
      );
    }
    const next = { ...index, authorities: index.authorities.filter(({ id }) => id === index.active) };
    commit(next);
    const old = index.authorities.filter(({ id }) => id !== index.active);
    // Nobody trusts them any more; what they could still sign is for those who were forgotten.
    for (const { id } of old) {
      rmSync(intermediateKeyFile(place, id), { force: true });
      rmSync(rootKeyFile(place, id), { force: true });
    }
    return distribute(next);
  });
}

function newestId(index: PkiIndex): number {
  return Math.max(...index.authorities.map(({ id }) => id));
}

function refuseWithoutRotation(place: Place, index: PkiIndex): void {
  if (index.authorities.length > 1) return;
  throw new CommandError(`No rotation is on its way; begin one with: pnpm zt pki rotate-ca --dir ${place.pki}`);
}
