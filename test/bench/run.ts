/**
 * `pnpm bench`: what each defence costs a call, as ratios to a bare server over mutual TLS that is measured in the same run, in
 * turns. `--quick` looks in two minutes at what the targets are about; `--only full,naive`; `--pairs 40`; `--seed 7` repeats an order;
 * `--out file` keeps the result; `--write` keeps it in `results/` and shows it in `docs/performance.md`.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { seededRandom } from "../kills/seeded-random.ts";
import { type Case, cases } from "./cases.ts";
import { findProgram } from "./found-program.ts";
import { makeMaterial } from "./material.ts";
import { measureClient } from "./measure-client.ts";
import { CONNECTIONS, IN_FLIGHT, measureServer, type Run } from "./measure-server.ts";
import { jsonOf, writeResult } from "./page.ts";
import type { Effort } from "./pairs.ts";
import type { BenchResult, CaseResult } from "./result.ts";
import { startServer } from "./started-server.ts";
import { rowOf, tableHead, targetTable } from "./table.ts";
import { reached, targets } from "./targets.ts";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string" },
    pairs: { type: "string" },
    seed: { type: "string" },
    out: { type: "string" },
    write: { type: "boolean", default: false },
  },
});
const wanted = values.only?.split(",");
const unknown = wanted?.filter((name) => !cases.some((each) => each.name === name)) ?? [];
if (process.platform !== "linux" || unknown.length > 0) {
  console.error(
    unknown.length > 0
      ? `There is no case ${unknown.join(", ")}; there are ${cases.map(({ name }) => name).join(", ")}.`
      : "It reads processor time from Linux's /proc.",
  );
  process.exit(1);
}
const aimedAt = new Set(["bare", ...targets.flatMap((target) => [target.case, target.against, target.checksNothing])]);
const isWanted = ({ name }: Case) => wanted?.includes(name) ?? (!values.quick || aimedAt.has(name));
const isMissing = (each: Case) => "needs" in each && each.needs !== undefined && findProgram(each.needs) === undefined;
const missing = cases.filter((each) => isWanted(each) && isMissing(each));
const chosen = cases.filter((each) => isWanted(each) && !isMissing(each));
const effort: Effort = values.quick
  ? { pairs: 5, windowMs: 400, warmUpCalls: 15_000, warmUpMs: 5_000, halfLoadMs: 1_000 }
  : { pairs: 20, windowMs: 1_000, warmUpCalls: 40_000, warmUpMs: 30_000, halfLoadMs: 10_000 };
const pairs = values.pairs === undefined ? effort.pairs : Number(values.pairs);
const seed = values.seed === undefined ? Date.now() % 1_000_000 : Number(values.seed);
const isPinned = cpus().length > 1 && spawnSync("taskset", ["-V"]).status === 0;

console.log(`${pairs} pairs of windows of ${effort.windowMs} ms, in random order (seed ${seed}).`);
console.log(
  `${IN_FLIGHT} calls in flight over ${CONNECTIONS} connections, each with a nonce and a signature of its own.`,
);
console.log(
  isPinned
    ? "What is measured is on core 0, the other end on core 1.\n"
    : "Neither what is measured nor the other end is pinned to a core (no taskset, or one core): figures are worth less.\n",
);
for (const { name } of missing) {
  console.warn(
    `NOT MEASURED: ${name}, which is not on this machine (bash test/bench/install-${name}.sh brings Debian's).\n`,
  );
}
console.log(tableHead);
const folder = mkdtempSync(join(tmpdir(), "bench-"));
const results: CaseResult[] = [];
try {
  await using material = await makeMaterial();
  const cores = isPinned ? { serverCore: 0, otherCore: 1 } : { serverCore: undefined, otherCore: undefined };
  const place = { material, folder, ...cores };
  await using reference = await startServer(place, { name: "reference", server: "bare", asks: [] });
  const run: Run = { ...effort, ...place, pairs, reference, random: seededRandom(seed) };
  for (const each of chosen) {
    try {
      const result = await ("server" in each ? measureServer(run, each) : measureClient(run, each));
      console.log(rowOf(result));
      results.push(result);
    } catch (error) {
      // The others have taken half an hour.
      console.error(`NOT MEASURED: ${each.name}: ${error instanceof Error ? error.message : String(error)}`);
      process.exitCode = 1;
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
const result: BenchResult = {
  measuredAt: new Date().toISOString(),
  node: process.version,
  processor: cpus()[0]?.model ?? "an unknown processor",
  seed,
  pairs,
  windowMs: effort.windowMs,
  connections: CONNECTIONS,
  inFlight: IN_FLIGHT,
  isPinned,
  cases: results,
};
console.log(`\n${targetTable(reached(result))}`);
if (values.out !== undefined) writeFileSync(values.out, jsonOf(result));
if (values.write) writeResult(result);
