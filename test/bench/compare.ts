/** `pnpm bench:compare before.json after.json`: case by case, and whether it is more than chance. */
import { readFileSync } from "node:fs";
import { compare } from "./compared.ts";
import type { BenchResult } from "./result.ts";
import { comparedTable } from "./table.ts";

const [before, after] = process.argv.slice(2).map((path) => JSON.parse(readFileSync(path, "utf8")) as BenchResult);
if (before === undefined || after === undefined) {
  console.error("Two results are compared: pnpm bench:compare before.json after.json");
  process.exit(1);
}
console.log(comparedTable(compare(before, after)));
