import { scenarioFilesOf } from "../catalogue/scenario-files.ts";
import { catalogue } from "../catalogue.ts";
import type { Mutant } from "./mutant.ts";

/**
 * The mutants of rows of the catalogue, each with the scenarios of its row in place of its own tests: services that lack the
 * defence let the attack through.
 *
 * @param ids - the rows; all unless given
 */
export function rowMutants(mutants: readonly Mutant[], ids?: readonly string[]): readonly Mutant[] {
  const rows = catalogue.flatMap((group) => group.rows).filter(({ id }) => ids?.includes(id) ?? true);
  return rows.flatMap((row) => {
    if ("none" in row.mutants) return [];
    // Those in containers run what is in the images.
    const tests = scenarioFilesOf(row.id).filter((file) => file.startsWith("test/attacks/"));
    return row.mutants.map((id) => {
      const mutant = mutants.find((each) => each.id === id);
      if (mutant === undefined) throw new Error(`The row ${row.id} names ${id}, which is no mutant.`);
      return { ...mutant, id: `${row.id} ${id}`, tests, named: `^${row.id}: ` };
    });
  });
}
