import { setTimeout } from "node:timers/promises";
import { processorTime } from "./processor-time.ts";

/** Makes a call and calls back with what was wrong with it, undefined when it went well. */
export type Call = (lane: number, done: (wrong: string | undefined) => void) => void;

/** As many calls in flight as there are lanes, each followed by the next. */
export interface ClosedLoop {
  readonly call: Call;
  readonly lanes: number;
  readonly ms: number;
  /** The process that is measured. */
  readonly measured: number;
  /** The one at the other end. */
  readonly other: number;
}

/** What a window of it came to; times in microseconds of processors. */
export interface WindowSaid {
  readonly calls: number;
  readonly ms: number;
  readonly used: number;
  readonly usedByMainThread: number;
  readonly waited: number;
  readonly usedByOther: number;
}

/** Calls go on for this long before a window begins, so that it sees none that is alone, in milliseconds. */
const RUN_IN_MS = 50;

/**
 * Measures a window. Calls are under way before it begins and after it ends, and only those count that end in it.
 *
 * @throws Error when a call fails, whenever that was
 */
export async function closedLoop({ call, lanes, ms, measured, other }: ClosedLoop): Promise<WindowSaid> {
  let calls = 0;
  let isOver = false;
  let fault: string | undefined;
  const run = (lane: number) =>
    new Promise<void>((resolve) => {
      const next = () =>
        call(lane, (wrong) => {
          calls += 1;
          fault ??= wrong;
          if (isOver || fault !== undefined) resolve();
          else next();
        });
      next();
    });
  const look = () => ({
    calls,
    at: performance.now(),
    measured: processorTime(measured),
    other: processorTime(other),
  });
  const running = Array.from({ length: lanes }, (_, lane) => run(lane));
  await setTimeout(RUN_IN_MS);
  const before = look();
  await setTimeout(ms);
  const after = look();
  isOver = true;
  await Promise.all(running);
  if (fault !== undefined) throw new Error(`A call failed: ${fault}`);
  return {
    calls: after.calls - before.calls,
    ms: after.at - before.at,
    used: after.measured.used - before.measured.used,
    usedByMainThread: after.measured.usedByMainThread - before.measured.usedByMainThread,
    waited: after.measured.waited - before.measured.waited,
    usedByOther: after.other.used - before.other.used,
  };
}
