import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { markdownTable } from "../../scaling/markdown-table.ts";
import { pageWithPart } from "../marked-part.ts";
import { rounded, times } from "../table.ts";
import type { StepResult } from "./measure-step.ts";

/** What all steps brought, and where. */
export interface StepsResult {
  readonly measuredAt: string;
  readonly node: string;
  readonly processor: string;
  readonly pairs: number;
  readonly windowMs: number;
  readonly steps: readonly StepResult[];
}

const resultPath = fileURLToPath(new URL("measured.json", import.meta.url));
const pagePath = fileURLToPath(new URL("../../../docs/performance.md", import.meta.url));
const marks = {
  begin: "<!-- steps: written by `pnpm bench:steps --write` -->\n",
  end: "<!-- end of steps -->\n",
};

/** The result that is committed. */
export function lastSteps(): StepsResult {
  return JSON.parse(readFileSync(resultPath, "utf8")) as StepsResult;
}

/** The page as it is. */
export function page(): string {
  return readFileSync(pagePath, "utf8");
}

/** The page with this result in it. */
export function pageWith(result: StepsResult): string {
  return pageWithPart(page(), marks, linesOf(result));
}

/** Keeps a result, and shows it. */
export function writeSteps(result: StepsResult): void {
  const short = (_key: string, value: unknown) =>
    typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value;
  writeFileSync(resultPath, `${JSON.stringify(result, short, 2)}\n`);
  writeFileSync(pagePath, pageWith(lastSteps()));
}

/** A step as a line for the terminal. */
export function lineOf({ id, processor, savedMicroseconds }: StepResult): string {
  return `${id.padEnd(24)} ${times(processor).padEnd(22)} ${rounded(savedMicroseconds)} µs`;
}

function linesOf({ measuredAt, node, processor, pairs, windowMs, steps }: StepsResult): string {
  return `Measured on ${measuredAt.slice(0, 10)} with Node ${node} on ${processor}: ${pairs} pairs of windows of ${windowMs} ms a step.

${markdownTable(
  ["case", "step", "without it", "µs saved a call"],
  steps.map((step) => [step.case, step.what, times(step.processor), rounded(step.savedMicroseconds)]),
)}
`;
}
