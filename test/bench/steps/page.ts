import { markdownTable } from "../../scaling/markdown-table.ts";
import type { HeapSaid } from "../heap.ts";
import { type PagePart, pagePart } from "../page-part.ts";
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

/** The steps in `docs/performance.md`. */
export const stepsPart: PagePart<StepsResult> = pagePart(
  new URL("measured.json", import.meta.url),
  { begin: "<!-- steps: written by `pnpm bench:steps --write` -->\n", end: "<!-- end of steps -->\n" },
  linesOf,
);

/** A step as a line for the terminal. */
export function lineOf(step: StepResult): string {
  const { id, processor, savedMicroseconds } = step;
  const [allocated, survived] = heapCells(step);
  return `${id.padEnd(24)} ${times(processor).padEnd(22)} ${rounded(savedMicroseconds).padEnd(16)} ${allocated.padEnd(14)} ${survived}`.trimEnd();
}

/** Without the step, and as it is. */
function heapCells({ heap }: StepResult): readonly [allocated: string, survived: string] {
  if (heap === undefined) return ["", ""];
  const { asItIs, undone } = heap;
  const both = (of: keyof HeapSaid) => `${kilobytes(undone[of])} → ${kilobytes(asItIs[of])}`;
  return [both("allocated"), both("survived")];
}

function kilobytes(bytes: number): string {
  return (bytes / 1_000).toFixed(1);
}

function linesOf({ measuredAt, node, processor, pairs, windowMs, steps }: StepsResult): string {
  return `Measured on ${measuredAt.slice(0, 10)} with Node ${node} on ${processor}: ${pairs} pairs of windows of ${windowMs} ms a step.

${markdownTable(
  ["case", "step", "without it", "µs saved", "KB made", "KB moved"],
  steps.map((step) => [
    step.case,
    step.what,
    times(step.processor),
    rounded(step.savedMicroseconds),
    ...heapCells(step),
  ]),
)}
`;
}
