import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { catalogue } from "../catalogue.ts";
import type { Mutant } from "./mutant.ts";

/**
 * The mutants of rows of the catalogue, each with the scenarios of its row in place of its own tests: services that lack the
 * defence let the attack through.
 *
 * @param top - the folder of the repository
 * @param ids - the rows; all unless given
 */
export function rowMutants(top: string, mutants: readonly Mutant[], ids?: readonly string[]): readonly Mutant[] {
  const sources = globSync("test/attacks/*.test.ts", { cwd: top }).map(
    (file) => [file, readFileSync(join(top, file), "utf8")] as const,
  );
  const rows = catalogue.flatMap((group) => group.rows).filter(({ id }) => ids?.includes(id) ?? true);
  return rows.flatMap((row) => {
    if ("none" in row.mutants) return [];
    const tests = sources
      .filter(([, source]) => new RegExp(`scenario\\(\\s*"${row.id}"`).test(source))
      .map(([file]) => file);
    return row.mutants.map((id) => {
      const mutant = mutants.find((each) => each.id === id);
      if (mutant === undefined) throw new Error(`The row ${row.id} names ${id}, which is no mutant.`);
      return { ...mutant, id: `${row.id} ${id}`, tests, named: `^${row.id}: ` };
    });
  });
}
