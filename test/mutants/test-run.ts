import { spawn } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { join, relative } from "node:path";

/** What vitest writes; only what is read here. */
export interface Report {
  readonly testResults: readonly {
    /** The file, absolute. */
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

/** A test that failed, and why. */
export interface FailedTest {
  readonly name: string;
  readonly message: string;
}

/** How the tests went. */
export interface TestRun {
  readonly passed: number;
  readonly failed: readonly FailedTest[];
  /** What went wrong besides tests: a file that does not load, a run that does not end. */
  readonly problem?: string;
}

const RUN_MS = 120_000;

/**
 * Runs test files of one package.
 *
 * @param tree - the repository, or a copy of it
 * @param files - relative to the tree
 * @param named - runs only the tests whose names have this regular expression
 */
export async function runTests(
  tree: string,
  files: readonly string[],
  { named, firstFailure = false, signal }: { named?: string; firstFailure?: boolean; signal: AbortSignal },
): Promise<TestRun> {
  const folder = packageOf(files[0] ?? "");
  const root = join(tree, folder);
  const report = join(root, ".vitest/mutant.json");
  await rm(report, { force: true });
  const options = [
    ["--config", relative(root, join(tree, "vitest.config.ts"))],
    ["--reporter", "json", "--outputFile.json", report],
    ["--maxWorkers", "1"],
    firstFailure ? ["--bail", "1"] : [],
    named === undefined ? [] : ["--testNamePattern", named],
  ].flat();
  const vitest = join(tree, "node_modules/vitest/vitest.mjs");
  const its = files.map((file) => relative(folder, file));
  const output = await outputOf([vitest, "run", "--root", ".", ...options, ...its], root, signal);
  const text = await readFile(report, "utf8").catch(() => undefined);
  if (text === undefined) return { passed: 0, failed: [], problem: `no report: ${lastLines(output)}` };
  return runOf(JSON.parse(text) as Report, output);
}

/** `packages/auth` of `packages/auth/src/x.test.ts`; `test` of `test/processes/x.test.ts`. */
export function packageOf(file: string): string {
  return /^(?:(?:packages|services)\/)?[^/]+/.exec(file)?.[0] ?? "";
}

function runOf({ testResults }: Report, output: string): TestRun {
  const tests = testResults.flatMap((file) => file.assertionResults);
  const failed = tests
    .filter(({ status }) => status === "failed")
    .map(({ fullName, failureMessages }) => ({ name: fullName, message: failureMessages.join("\n") }));
  const passed = tests.filter(({ status }) => status === "passed").length;
  const unloaded = testResults.find((file) => file.assertionResults.length === 0 && file.message !== "");
  if (unloaded !== undefined) return { passed, failed, problem: `does not load: ${lastLines(unloaded.message)}` };
  if (passed + failed.length === 0) return { passed, failed, problem: `no test ran: ${lastLines(output)}` };
  return { passed, failed };
}

function outputOf(args: readonly string[], cwd: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    const ended = AbortSignal.any([signal, AbortSignal.timeout(RUN_MS)]);
    const child = spawn(process.execPath, args, { cwd, stdio: ["ignore", "pipe", "pipe"], signal: ended });
    const chunks: Buffer[] = [];
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.on("error", (error) => chunks.push(Buffer.from(error.message)));
    child.once("close", () => resolve(Buffer.concat(chunks).toString()));
  });
}

function lastLines(text: string): string {
  return text.trim().split("\n").slice(-6).join("\n");
}
