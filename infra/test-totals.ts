/**
 * Prints `N passed, N failed`, summed over the vitest reports of all packages. A package that has tests and no
 * report counts as one failure: its tests did not run. With `--e2e`, `--stores`, `--browser`, `--interop`, `--adopt` or `--mutants`, the report of
 * that run must be there too.
 */
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

interface Report {
  readonly success: boolean;
  readonly numPassedTests: number;
  readonly numFailedTests: number;
}

const packages = globSync([
  "packages/*/package.json",
  "services/*/package.json",
  "{proto,infra,test}/package.json",
]).map(dirname);
const hasTests = (folder: string): boolean =>
  globSync(
    `${folder}/{src,test,examples,attacks,report,catalogue,threats,stack,kills,processes,interop,mutants,traps}/**/*.test.ts`,
  ).length > 0;
const expected = packages.filter(hasTests).map((folder) => join(folder, ".vitest/report.json"));
for (const run of ["e2e", "stores", "browser", "interop", "adopt", "mutants"]) {
  if (process.argv.includes(`--${run}`)) expected.push(`test/.vitest/${run}.json`);
}

let passed = 0;
let failed = 0;
for (const file of expected) {
  if (!existsSync(file)) {
    console.error(`${file} is missing: these tests did not run.`);
    failed += 1;
    continue;
  }
  const report = JSON.parse(readFileSync(file, "utf8")) as Report;
  passed += report.numPassedTests;
  // A file that does not load fails the run without a failed test.
  failed += report.success ? report.numFailedTests : Math.max(1, report.numFailedTests);
}

console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
