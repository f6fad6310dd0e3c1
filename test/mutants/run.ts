/**
 * `pnpm test:mutants`: takes each defence on the list away, in a copy of the sources, and sees a test go red. A defence that
 * can be taken away unnoticed is one that somebody will take away. `--only <id>`, once or more, tries those. `--rows` tries
 * those of the catalogue's rows against the services, which takes a while; `--row <id>`, once or more, those of some rows.
 * Tests have to pass where nothing was taken away: with `--tested`, those that the last `pnpm test` saw pass are not run for that again.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { stripTypeScriptTypes } from "node:module";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { copyTree } from "./copied-tree.ts";
import { type Mutant, mutate } from "./mutant.ts";
import { mutants } from "./mutants.ts";
import { reportedAsPassing } from "./reported.ts";
import { rowMutants } from "./row-mutants.ts";
import { runTests } from "./test-run.ts";

const top = fileURLToPath(new URL("../..", import.meta.url));
const reportFile = join(top, "test/.vitest/mutants.json");
const { only, row, rows, tested } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    row: { type: "string", multiple: true },
    rows: { type: "boolean" },
    tested: { type: "boolean", default: false },
  },
}).values;
const onRows = rows === true || row !== undefined;
const chosen = only === undefined ? mutants : mutants.filter(({ id }) => only.includes(id));
if (chosen.length < (only ?? mutants).length) throw new Error(`Not all of these are mutants: ${only?.join(", ")}.`);
const tried = onRows ? rowMutants(mutants, row) : chosen;

const folder = await mkdtemp(join(tmpdir(), "mutants-"));
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => stop.abort());
const { signal } = stop;

/** What nobody could take for a defence that was noticed: the edit itself is wrong. */
const TYPING_ERROR = /ReferenceError|SyntaxError/;

/** Undefined when a test noticed; else what is wrong. */
async function problemOf(mutant: Mutant, tree: string): Promise<{ problem?: string; caughtBy?: string }> {
  const originals = new Map<string, string>();
  try {
    for (const edit of [mutant, ...(mutant.also ?? [])]) {
      const file = join(tree, edit.file);
      const source = await readFile(file, "utf8");
      const mutated = mutate(source, edit);
      stripTypeScriptTypes(mutated);
      await writeFile(file, mutated);
      // Of a file that is edited twice the first is what it was.
      if (!originals.has(file)) originals.set(file, source);
    }
    const options = { signal, firstFailure: true, ...(mutant.named === undefined ? {} : { named: mutant.named }) };
    const { failed, problem } = await runTests(tree, mutant.tests, options);
    const [first] = failed;
    if (problem !== undefined) return { problem };
    if (first === undefined) return { problem: "SURVIVED: no test noticed" };
    return TYPING_ERROR.test(first.message) ? { problem: first.message } : { caughtBy: first.name };
  } catch (error) {
    return { problem: `stale: ${error instanceof Error ? error.message : String(error)}` };
  } finally {
    for (const [file, source] of originals) await writeFile(file, source);
  }
}

/** The tests that have to pass where nothing was taken away; those of the catalogue are a run of their own. */
const controls = onRows ? [] : [...new Set(tried.flatMap(({ tests }) => tests))];

let caught = 0;
let failed = 0;

function line(good: boolean, id: string, startMs: number, what: string): void {
  if (good) caught += 1;
  else failed += 1;
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  console.log(`${good ? "✓" : "✗"} ${id.padEnd(34)} ${seconds.padStart(5)} s  ${what}`);
}

type Job = (tree: string) => Promise<void>;
const jobs: Job[] = [
  ...controls.map((file) => async (tree: string) => {
    const startMs = performance.now();
    const reported = tested ? reportedAsPassing(top, file) : undefined;
    if (reported !== undefined) {
      line(true, "unchanged", startMs, `${file}: ${reported} have passed`);
      return;
    }
    const { passed, failed: failures, problem } = await runTests(tree, [file], { signal });
    const wrong = problem ?? failures.map(({ name }) => name).join("; ");
    if (!signal.aborted)
      line(wrong === "", "unchanged", startMs, wrong === "" ? `${file}: ${passed} pass` : `${file}: ${wrong}`);
  }),
  ...tried.map((mutant) => async (tree: string) => {
    const startMs = performance.now();
    const { problem, caughtBy = "" } = await problemOf(mutant, tree);
    const bad = `opens: ${mutant.opens}; ${problem}`;
    if (!signal.aborted) line(problem === undefined, mutant.id, startMs, problem === undefined ? caughtBy : bad);
  }),
];

const startMs = performance.now();
try {
  // They wait as long as they work.
  const workers = Math.min(2 * availableParallelism(), jobs.length);
  await Promise.all(
    Array.from({ length: workers }, async (_, index) => {
      const tree = join(folder, String(index));
      await copyTree(top, tree);
      for (let job = jobs.shift(); job !== undefined && !signal.aborted; job = jobs.shift()) await job(tree);
    }),
  );
} finally {
  await rm(folder, { recursive: true, force: true, maxRetries: 3 });
}

const success = failed === 0 && !signal.aborted;
await mkdir(join(reportFile, ".."), { recursive: true });
await writeFile(reportFile, JSON.stringify({ success, numPassedTests: caught, numFailedTests: failed }));
const seconds = ((performance.now() - startMs) / 1000).toFixed(0);
console.log(`\n${tried.length} mutants, ${failed} lines wrong, ${seconds} s${signal.aborted ? ", interrupted" : ""}`);
process.exitCode = success ? 0 : 1;
