import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const top = fileURLToPath(new URL("../../", import.meta.url));

/** The scenarios of each file of tests, from the top of the repository: the ids of their rows, as often as they stand there. */
export const scenarioFiles: ReadonlyMap<string, readonly string[]> = new Map(
  globSync("test/{attacks,e2e}/*.test.ts", { cwd: top })
    .toSorted()
    .map((file) => {
      const source = readFileSync(top + file, "utf8");
      return [file, [...source.matchAll(/\bscenario\w*\(\s*"(\w+)"/g)].map(([, id = ""]) => id)] as const;
    }),
);

/** The files that have a scenario of a row. */
export function scenarioFilesOf(row: string): readonly string[] {
  return [...scenarioFiles].filter(([, ids]) => ids.includes(row)).map(([file]) => file);
}
