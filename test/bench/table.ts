import type { Compared } from "./compared.ts";
import type { CaseResult } from "./result.ts";
import type { Spread } from "./statistics.ts";
import type { Reached } from "./targets.ts";

type Cells = readonly string[];

const caseWidths = [14, 18, 22, 19, 8, 18, 7, 0];
const columns = (widths: readonly number[], cells: Cells) =>
  cells
    .map((cell, at) => cell.padEnd(widths[at] ?? 0))
    .join(" ")
    .trimEnd();

/** The head of the table that a run prints. */
export const tableHead: string = columns(caseWidths, [
  "case",
  "calls/s, of bare",
  "µs CPU added a call",
  "µs CPU, of bare",
  "calls/s",
  "p50/p99/p99.9 ms",
  "memory",
]);

/** A case's row: medians, and in brackets the quarters between which half of the pairs lie. */
export function rowOf(result: CaseResult): string {
  const { throughput, addedMicroseconds, processor, callsPerSecond } = result;
  return columns(caseWidths, [
    result.name,
    times(throughput),
    rounded(addedMicroseconds),
    times(processor),
    callsPerSecond.toFixed(0),
    latencies(result),
    megabytes(result),
    doubtsOf(result).join("; "),
  ]);
}

/** Which targets are met, a line each. */
export function targetTable(all: readonly Reached[]): string {
  return all
    .map(({ target, value, isMet, nothingChecked }) =>
      columns(
        [2, 52, 28, 20, 24, 0],
        [
          isMet === undefined ? "·" : isMet ? "✓" : "✗",
          target.what,
          target.of,
          boundOf(target),
          shownValue(target, value),
          nothingChecked === undefined ? "" : `(nothing checked: ${shownValue(target, nothingChecked)})`,
        ],
      ),
    )
    .join("\n");
}

/** What has to be reached: `at least 0.8×`. */
export function boundOf({ of, atLeast, atMost }: Reached["target"]): string {
  const unit = of === "processor time added, µs" ? "" : "×";
  const less = of === "processor time" ? " less" : "";
  return atLeast === undefined ? `at most ${atMost}${unit}` : `at least ${atLeast}${unit}${less}`;
}

/** What was reached: the middle, and between what the middle half lies. */
export function shownValue({ of }: Reached["target"], value: Spread | undefined): string {
  if (value === undefined) return "not measured";
  return of === "processor time added, µs" ? rounded(value) : times(value);
}

/** Results before and after, a line each. */
export function comparedTable(all: readonly Compared[]): string {
  const widths = [14, 12, 20, 20, 0];
  const rows = all.map(({ name, figure, before, after, isBeyondSpread, isBetter }) =>
    columns(widths, [
      name,
      figure,
      times(before),
      times(after),
      isBeyondSpread ? (isBetter ? "better" : "WORSE") : "~",
    ]),
  );
  return [columns(widths, ["case", "of bare", "before", "after"]), ...rows].join("\n");
}

/** A ratio with its spread: `0.85× [0.80× 0.90×]`. */
export function times(value: Spread): string {
  return spread(value, (each) => `${each.toFixed(2)}×`);
}

/** Microseconds with their spread: `24 [20 28]`. */
export function rounded(value: Spread): string {
  return spread(value, (each) => each.toFixed(0));
}

/** Any figure with its spread. */
function spread({ median, low, high }: Spread, show: (value: number) => string): string {
  return `${show(median)} [${show(low)} ${show(high)}]`;
}

/** The three latencies at half load; nothing of a client. */
export function latencies({ halfLoad }: CaseResult): string {
  const all = halfLoad === undefined ? [] : [halfLoad.p50, halfLoad.p99, halfLoad.p999];
  return all.map(shortMs).join(" / ");
}

/** Milliseconds with two digits, or all of them where there are more before the point. */
export function shortMs(ms: number): string {
  return ms < 100 ? ms.toPrecision(2) : ms.toFixed(0);
}

/** Its memory. */
export function megabytes({ residentBytes }: CaseResult): string {
  return `${(residentBytes / 1_000_000).toFixed(0)} MB`;
}

/** Why the figures may say less than they seem to. */
export function doubtsOf({ boundWindows, disturbedWindows, pairs }: CaseResult): readonly string[] {
  const windows = pairs.length * 2;
  return [
    ...(boundWindows > 0 ? [`the other end was the limit in ${boundWindows} of ${windows} windows`] : []),
    ...(disturbedWindows > 0 ? [`disturbed in ${disturbedWindows} of ${windows} windows`] : []),
  ];
}
