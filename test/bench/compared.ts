import type { BenchResult } from "./result.ts";
import type { Spread } from "./statistics.ts";

/** What is compared: ratios to the reference that was measured along, so that two machines or two days can be. */
const figures = ["throughput", "processor"] as const;

/** A figure of a case before and after. */
export interface Compared {
  readonly name: string;
  readonly figure: (typeof figures)[number];
  readonly before: Spread;
  readonly after: Spread;
  /** That the halves in the middle have nothing in common; otherwise it may be nothing but chance. */
  readonly isBeyondSpread: boolean;
  readonly isBetter: boolean;
}

/** Compares the cases that both results have. */
export function compare(before: Pick<BenchResult, "cases">, after: Pick<BenchResult, "cases">): readonly Compared[] {
  return before.cases.flatMap((was) => {
    const is = after.cases.find(({ name }) => name === was.name);
    if (is === undefined) return [];
    return figures.map((figure) => {
      const [a, b] = [was[figure], is[figure]];
      const isBeyondSpread = a.high < b.low || b.high < a.low;
      const isMore = b.median > a.median;
      return {
        name: was.name,
        figure,
        before: a,
        after: b,
        isBeyondSpread,
        isBetter: figure === "throughput" ? isMore : !isMore,
      };
    });
  });
}
