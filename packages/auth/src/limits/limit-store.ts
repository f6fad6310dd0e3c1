/** How many calls a caller may make. */
export interface Rate {
  /** For ever; less than one for a call in several seconds. */
  readonly perSecond: number;
  /** At once, after a rest. */
  readonly burst: number;
}

/** One question to a {@link LimitStore}. */
export interface LimitTake {
  /** Whose calls, and which limit: `client partner`. No caller can make up as many as he likes. */
  readonly key: string;
  /** 1 takes a call if there is one left; 0 asks whether there is, and takes nothing. */
  readonly cost: 0 | 1;
  readonly rate: Rate;
}

/** What it answers. */
export type LimitVerdict =
  | { readonly allowed: true }
  /** In how many milliseconds there is a call left, if nobody else takes it. */
  | { readonly allowed: false; readonly retryAfterMs: number };

/**
 * Counts calls, for all processes of a service where they share it. Throwing means that it could not be asked, and the call is
 * refused.
 *
 * A store keeps one time a key: when its bucket is full again (the generic cell rate algorithm, ITU-T I.371). A call moves it on by
 * `1 / perSecond`, and is refused where it would lie more than `burst / perSecond` ahead. Nothing that is refused moves it. A time
 * that lies further ahead than that, after a clock was set back or a burst was made smaller, counts as an empty bucket.
 */
export interface LimitStore {
  /** Takes one call, or none: one atomic step, whoever else asks at the same time. */
  take(taking: LimitTake): LimitVerdict | Promise<LimitVerdict>;
}

/** Nobody is told to wait longer, in milliseconds: for a call in three hours. */
export const maxWaitMs = 10_000_000;

/**
 * A rate, if it is one.
 *
 * @throws RangeError when it is not, naming it
 */
export function checkedRate(rate: Rate, name: string): Rate {
  const { perSecond, burst } = rate;
  if (!(perSecond >= 1_000 / maxWaitMs && perSecond <= 1_000_000)) {
    throw new RangeError(`${name}: perSecond is from 0.0001 to 1 000 000.`);
  }
  if (!(Number.isSafeInteger(burst) && burst >= 1 && burst <= 1_000_000)) {
    throw new RangeError(`${name}: burst is a whole number from 1 to 1 000 000.`);
  }
  return rate;
}

/** A bucket after a question. */
export interface Bucket {
  readonly verdict: LimitVerdict;
  /** When it is full again, in milliseconds. */
  readonly fullAtMs: number;
}

const allowed: LimitVerdict = Object.freeze({ allowed: true });

/**
 * Asks a bucket: the arithmetic of a {@link LimitStore}.
 *
 * @param fullAtMs - when it is full again; anything up to `nowMs` for one that is
 */
export function askBucket(fullAtMs: number, cost: 0 | 1, rate: Rate, nowMs: number): Bucket {
  const callMs = 1_000 / rate.perSecond;
  const burstMs = callMs * rate.burst;
  const before = Math.min(Math.max(fullAtMs, nowMs), nowMs + burstMs);
  const after = before + callMs;
  // A millionth of a call, so that sums of fractions do not cost one.
  const lateMs = after - nowMs - burstMs - callMs * 1e-6;
  if (lateMs > 0) return { verdict: { allowed: false, retryAfterMs: Math.ceil(lateMs) }, fullAtMs: before };
  return { verdict: allowed, fullAtMs: cost === 0 ? before : after };
}
