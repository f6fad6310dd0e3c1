import { resolve } from "node:path";
import { CommandError } from "../command-line/command-error.ts";
import { relist, revocationListsOf } from "./authority.ts";
import { type Distributed, distribute, writeTlsFiles } from "./distribute.ts";
import { changeIndex, type PkiIndex } from "./pki-index.ts";
import type { Place } from "./place.ts";

/**
 * Signs the revocation lists anew, before they end, and writes them into every folder.
 *
 * @param options.out - more folders, which get the lists alone
 */
export async function reissueLists(
  place: Place,
  { out = [], nowMs }: { readonly out?: readonly string[]; readonly nowMs: number },
): Promise<Distributed & { readonly index: PkiIndex; readonly notes: readonly string[] }> {
  return changeIndex(place.pki, async (before, commit) => {
    const { index, notes } = await relist(place, before, nowMs, "all");
    commit(index);
    const known = distribute(index);
    const written = [...known.written];
    const failures = [...known.failures];
    for (const folder of out.map((each) => resolve(each))) {
      try {
        writeTlsFiles(folder, { "ca.crl": revocationListsOf(index) });
        written.push(folder);
      } catch (error) {
        if (!(error instanceof CommandError)) throw error;
        failures.push(error.message);
      }
    }
    return { index, notes, passedOver: known.passedOver, written, failures };
  });
}
