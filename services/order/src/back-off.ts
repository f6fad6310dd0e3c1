/** How long to wait between attempts. */
export interface BackOff {
  /** Before the second attempt, in milliseconds. */
  readonly firstMs: number;
  /** At most, in milliseconds. */
  readonly maxMs: number;
}

/**
 * A payment service that restarts is back in seconds: the first retry is soon, and none waits longer than an operator
 * who has just repaired something would.
 */
export const defaultBackOff: BackOff = { firstMs: 100, maxMs: 30_000 };

/**
 * How long to wait after a number of failed attempts, in milliseconds: twice as long each time, of which a random part
 * between a half and all, so that orders that failed together do not come back together.
 */
export function delayMs(failedAttempts: number, backOff: BackOff, random: () => number = Math.random): number {
  const ceiling = Math.min(backOff.maxMs, backOff.firstMs * 2 ** Math.max(0, failedAttempts - 1));
  return Math.round(ceiling * (0.5 + random() / 2));
}
