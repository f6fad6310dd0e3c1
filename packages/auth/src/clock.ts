import { forsake } from "./answers.ts";

/** The last millisecond that a `Date` can name (ECMA-262 §21.4.1.1). */
const lastMs = 8.64e15;

/**
 * Reads a clock, which may be broken like any dependency: `expiry <= NaN` is false, so that nothing would ever expire by it.
 *
 * @param now - milliseconds since 1970
 * @throws Error when it gives something that is no time
 */
export function readClock(now: () => number): number {
  const ms: unknown = now();
  forsake(ms);
  if (typeof ms !== "number" || !(ms >= 0 && ms <= lastMs)) throw new Error("the clock gives no time");
  return ms;
}

/** The time for a record or a refusal, which is made all the same when the clock is broken: the process's own time then. */
export function timeOfRecord(now: () => number): number {
  try {
    return readClock(now);
  } catch {
    return Date.now();
  }
}
