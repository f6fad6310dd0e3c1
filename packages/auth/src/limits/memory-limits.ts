import { askBucket, type LimitStore, type LimitTake, type LimitVerdict } from "./limit-store.ts";

/** How large an in-memory store may grow. */
export interface MemoryLimitsOptions {
  /** How many callers it remembers, but for those that are at rest. @defaultValue 100 000, about 15 MB */
  readonly maxKeys?: number;
  /** Milliseconds, on a clock that nobody sets. @defaultValue `performance.now` */
  readonly now?: () => number;
}

/** The limits of one process. */
export interface MemoryLimits extends LimitStore {
  take(taking: LimitTake): LimitVerdict;
  /** How many callers it remembers. */
  readonly size: number;
}

/** Looking through 100 000 of them takes some tens of milliseconds, so a store that stays full does it no more often. */
const SWEEP_MS = 1_000;

/**
 * Counts calls in memory. Only callers whose buckets are full again are forgotten, which is the same as never having seen them:
 * nobody gets a new bucket by making it forget his. Where it is full all the same, callers that it does not know cannot be counted,
 * and are refused as unchecked. It is for a service of one process: several count each for itself, and allow as many times as much.
 *
 * @param options - how much is remembered
 * @throws RangeError for a `maxKeys` that is no whole number of callers
 * @example
 * ```ts
 * import { memoryLimits, type ProtectOptions, protect } from "@zero-trust/auth/server";
 *
 * export const strict = (options: ProtectOptions) =>
 *   protect({ ...options, limits: { store: memoryLimits(), client: { perSecond: 50, burst: 100 } } });
 * ```
 */
export function memoryLimits({
  maxKeys = 100_000,
  now = () => performance.now(),
}: MemoryLimitsOptions = {}): MemoryLimits {
  if (!Number.isSafeInteger(maxKeys) || maxKeys < 1) throw new RangeError("maxKeys is a whole number of callers.");
  const fullAtMs = new Map<string, number>();
  let sweptAtMs = Number.NEGATIVE_INFINITY;

  function makeRoom(nowMs: number): void {
    if (nowMs >= sweptAtMs && nowMs - sweptAtMs < SWEEP_MS) return;
    sweptAtMs = nowMs;
    for (const [key, ms] of fullAtMs) if (ms <= nowMs) fullAtMs.delete(key);
  }

  return {
    get size() {
      return fullAtMs.size;
    },
    take({ key, cost, rate }) {
      const nowMs = now();
      if (!Number.isFinite(nowMs)) throw new Error("the clock of the limits gives no time");
      const known = fullAtMs.get(key);
      const bucket = askBucket(known ?? nowMs, cost, rate, nowMs);
      if (bucket.fullAtMs === (known ?? nowMs)) return bucket.verdict;
      if (known === undefined && fullAtMs.size >= maxKeys) makeRoom(nowMs);
      if (known === undefined && fullAtMs.size >= maxKeys) throw new Error("the limits know too many callers");
      fullAtMs.set(key, bucket.fullAtMs);
      return bucket.verdict;
    },
  };
}
