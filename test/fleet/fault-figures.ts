import { expect } from "vitest";
import type { Fault, FaultFigures } from "./faults.ts";

/** What each process may have more than before, whatever waits in it: a leak under a flood of calls would be more. */
const MORE_BYTES = 150 * 1024 * 1024;

/** What stands above the cells of a row. */
export const headOfFaults: readonly string[] = [
  "what is broken",
  "who orders and pays was told",
  "answered",
  "others",
  "their p99",
  "back after",
  "memory at most",
  "more than before",
];

/** What a table shows of it. */
export function rowOfFault(figures: FaultFigures): readonly (string | number)[] {
  const { what, told, answered, others, backAfterMs, peakBytes, moreBytes } = figures;
  const codes = Object.entries(told).map(([code, count]) => `${count} ${code}`);
  return [
    what,
    codes.join(", ") || "nothing",
    answered,
    `${others.failures.length} of ${others.calls} failed`,
    others.calls > others.failures.length ? `${others.p99} ms` : "-",
    `${(backAfterMs / 1000).toFixed(1)} s`,
    megabytes(peakBytes),
    megabytes(moreBytes),
  ];
}

/** Holds a fleet to it: the processes live, with bounded memory, and nobody notices who need not. */
export function checkFault({ othersNotice }: Pick<Fault<never>, "othersNotice">, figures: FaultFigures): void {
  if (!othersNotice) expect(figures.others.failures.slice(0, 3)).toEqual([]);
  expect(figures.moreBytes).toBeLessThan(MORE_BYTES);
  expect(figures.isSameProcesses).toBe(true);
}

const megabytes = (bytes: number) => `${Math.round(bytes / 1024 / 1024)} MB`;
