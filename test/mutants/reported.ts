import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageOf, type Report } from "./test-run.ts";

/**
 * How many tests of a file passed in the last `pnpm test`, by what it has left behind.
 *
 * @param file - relative to the tree
 * @returns undefined where the file did not run, or not all of it passed
 */
export function reportedAsPassing(tree: string, file: string): number | undefined {
  const of = reportOf(join(tree, packageOf(file), ".vitest/report.json"))?.testResults.find(
    ({ name }) => name === join(tree, file),
  );
  if (of?.status !== "passed") return undefined;
  return of.assertionResults.filter(({ status }) => status === "passed").length || undefined;
}

function reportOf(path: string): Report | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Report;
  } catch {
    return undefined; // it has not run
  }
}
