import type { CaseResult } from "./result.ts";
import type { Spread } from "./statistics.ts";

/** A case with these medians, and quarters a tenth away from them. */
export function madeUpCase(
  name: string,
  { throughput = 1, processor = 1, addedMicroseconds = 0 }: { [K in keyof Medians]?: number },
): CaseResult {
  return {
    name,
    what: `what ${name} is`,
    by: "us",
    side: "server",
    throughput: around(throughput),
    processor: around(processor),
    addedMicroseconds: around(addedMicroseconds),
    callsPerSecond: 10_000 * throughput,
    microseconds: 100 * processor,
    referenceCallsPerSecond: 10_000,
    referenceMicroseconds: 100,
    boundWindows: 0,
    disturbedWindows: 0,
    halfLoad: { calls: 1_000, perSecond: 5_000, p50: 0.5, p99: 2, p999: 5 },
    residentBytes: 100_000_000,
    control: { wrong: { "no token": "status 16" }, right: "let in" },
    pairs: [],
  };
}

type Medians = Pick<CaseResult, "throughput" | "processor" | "addedMicroseconds">;

function around(median: number): Spread {
  return { median, low: median * 0.9, high: median * 1.1 };
}
