import type { Random } from "../kills/seeded-random.ts";
import type { WindowSaid } from "./closed-loop.ts";
import type { Pair, Side, Summary } from "./result.ts";
import { spreadOf } from "./statistics.ts";

/** How long and how often it is measured. */
export interface Effort {
  readonly pairs: number;
  readonly windowMs: number;
  /** V8 compiles for that many calls, and takes as much again for it; and for how long at most that is waited for. */
  readonly warmUpCalls: number;
  readonly warmUpMs: number;
  /** Of calls at half the rate that it bears; servers only. */
  readonly halfLoadMs: number;
}

/** Measures one window of so many milliseconds. */
export type Window = (ms: number) => Promise<WindowSaid>;

/** It is looked so often whether they are warm, in milliseconds. */
const WARM_UP_WINDOW_MS = 250;
/** A side that is busier than this at the other end was what the measured one waited for. */
const IS_BOUND = 0.95;
/** A measured process that waited for the processor for more of a window than this was disturbed. */
const IS_DISTURBED = 0.1;

/** Measures in pairs, one window right after the other, which of them first is drawn; both are warm before the first. */
export async function measurePairs(
  { pairs: count, windowMs, random, ...warmth }: Effort & { readonly random: Random },
  { reference, measured }: { readonly reference: Window; readonly measured: Window },
): Promise<readonly Pair[]> {
  await warm(reference, warmth);
  await warm(measured, warmth);
  const pairs: Pair[] = [];
  for (let pair = 0; pair < count; pair += 1) {
    const isReferenceFirst = random(2) === 0;
    const first = sideOf(await (isReferenceFirst ? reference : measured)(windowMs));
    const second = sideOf(await (isReferenceFirst ? measured : reference)(windowMs));
    pairs.push(isReferenceFirst ? { reference: first, measured: second } : { reference: second, measured: first });
  }
  return pairs;
}

async function warm(
  window: Window,
  { warmUpCalls, warmUpMs }: Pick<Effort, "warmUpCalls" | "warmUpMs">,
): Promise<void> {
  const until = performance.now() + warmUpMs;
  for (let calls = 0; calls < warmUpCalls && performance.now() < until; ) {
    calls += (await window(WARM_UP_WINDOW_MS)).calls;
  }
}

/** What pairs come to: each figure is of all pairs by themselves. */
export function summaryOf(pairs: readonly Pair[]): Summary {
  const spread = (of: (pair: Pair) => number) => spreadOf(pairs.map(of));
  const windows = pairs.flatMap((pair) => [pair.reference, pair.measured]);
  return {
    throughput: spread(({ measured, reference }) => measured.callsPerSecond / reference.callsPerSecond),
    processor: spread(({ measured, reference }) => measured.microseconds / reference.microseconds),
    addedMicroseconds: spread(({ measured, reference }) => measured.microseconds - reference.microseconds),
    callsPerSecond: spread(({ measured }) => measured.callsPerSecond).median,
    microseconds: spread(({ measured }) => measured.microseconds).median,
    referenceCallsPerSecond: spread(({ reference }) => reference.callsPerSecond).median,
    referenceMicroseconds: spread(({ reference }) => reference.microseconds).median,
    boundWindows: windows.filter(({ otherBusy }) => otherBusy > IS_BOUND).length,
    disturbedWindows: windows.filter(({ waited }) => waited > IS_DISTURBED).length,
  };
}

function sideOf({ calls, ms, used, waited, usedByOther }: WindowSaid): Side {
  return {
    callsPerSecond: (calls / ms) * 1_000,
    microseconds: used / calls,
    otherBusy: usedByOther / (ms * 1_000),
    waited: waited / (ms * 1_000),
  };
}
