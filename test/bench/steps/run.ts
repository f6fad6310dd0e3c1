/**
 * `pnpm bench:steps`: what each thing that is done for speed brings. It is undone in a copy of the sources, and measured in turns with the
 * code as it is. `--only id`, once or more; `--pairs 40`; `--write` keeps the figures and shows them in `docs/performance.md`.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { seededRandom } from "../../kills/seeded-random.ts";
import { copyTree } from "../../mutants/copied-tree.ts";
import { makeMaterial } from "../material.ts";
import { measureStep, type StepResult } from "./measure-step.ts";
import { lineOf, stepsPart } from "./page.ts";
import { steps } from "./steps.ts";

const top = fileURLToPath(new URL("../../..", import.meta.url));
const { only, pairs, write } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    pairs: { type: "string", default: "20" },
    write: { type: "boolean", default: false },
  },
}).values;
const chosen = steps.filter(({ id }) => only?.includes(id) ?? true);
if (process.platform !== "linux" || chosen.length < (only ?? []).length || (write && only !== undefined)) {
  console.error(
    process.platform === "linux"
      ? `These are steps: ${steps.map(({ id }) => id).join(", ")}. All of them are written, or none.`
      : "It reads processor time from Linux's /proc.",
  );
  process.exit(1);
}
const effort = { pairs: Number(pairs), windowMs: 400, warmUpCalls: 40_000, warmUpMs: 15_000, halfLoadMs: 0 };
const isPinned = cpus().length > 1 && spawnSync("taskset", ["-V"]).status === 0;
const cores = isPinned ? { serverCore: 0, otherCore: 1 } : { serverCore: undefined, otherCore: undefined };

console.log(
  `What a call takes without each step, of what it takes as it is, and what is saved; ${pairs} pairs each.\n`,
);
const folder = mkdtempSync(join(tmpdir(), "steps-"));
const results: StepResult[] = [];
try {
  const copy = join(folder, "copy");
  await copyTree(top, copy);
  await using material = await makeMaterial();
  const run = { ...effort, ...cores, material, folder, copy, fromSource: true, random: seededRandom(1) };
  for (const step of chosen) {
    const result = await measureStep(run, step);
    console.log(lineOf(result));
    results.push(result);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
if (write) {
  stepsPart.write({
    measuredAt: new Date().toISOString(),
    node: process.version,
    processor: cpus()[0]?.model ?? "an unknown processor",
    pairs: effort.pairs,
    windowMs: effort.windowMs,
    steps: results,
  });
}
