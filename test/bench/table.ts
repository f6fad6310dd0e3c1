import type { CaseResult } from "./result.ts";
import type { Spread } from "./statistics.ts";

const widths = [12, 22, 24, 16, 9, 21, 9, 7];
const line = (cells: readonly string[]) =>
  cells
    .map((cell, at) => cell.padEnd(widths[at] ?? 0))
    .join(" ")
    .trimEnd();

/** The head of the table that a run prints. */
export const tableHead: string = line([
  "case",
  "calls/s, of bare",
  "µs CPU added to a call",
  "µs CPU, of bare",
  "calls/s",
  "p50/p99/p99.9 ms",
  "memory",
  "load",
]);

/** A case's row: medians, and in brackets the quarters between which half of the pairs lie. */
export function rowOf(result: CaseResult): string {
  const { throughput, addedMicroseconds, processor, callsPerSecond, halfLoad, loadBoundWindows, pairs } = result;
  const busy = pairs.map(({ measured }) => measured.loadBusy).reduce((sum, each) => sum + each, 0) / pairs.length;
  return line([
    result.name,
    spread(throughput, (value) => `${value.toFixed(2)}×`),
    spread(addedMicroseconds, (value) => value.toFixed(0)),
    spread(processor, (value) => `${value.toFixed(2)}×`),
    callsPerSecond.toFixed(0),
    [halfLoad.p50, halfLoad.p99, halfLoad.p999].map((ms) => ms.toPrecision(2)).join(" / "),
    `${(result.residentBytes / 1_000_000).toFixed(0)} MB`,
    `${(busy * 100).toFixed(0)} %${loadBoundWindows > 0 ? ` ! the load was the limit in ${loadBoundWindows} windows` : ""}`,
  ]);
}

function spread({ median, low, high }: Spread, show: (value: number) => string): string {
  return `${show(median)} [${show(low)} ${show(high)}]`;
}
