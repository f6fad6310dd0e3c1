import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { limitStoreContract } from "../../test/limit-store-contract.ts";
import { memoryLimits } from "./memory-limits.ts";

const rate = { perSecond: 2, burst: 3 };

function start(maxKeys?: number) {
  let nowMs = 5_000;
  const store = memoryLimits({ now: () => nowMs, ...(maxKeys === undefined ? {} : { maxKeys }) });
  const passMs = (ms: number) => {
    nowMs += ms;
  };
  const take = (key: string) => store.take({ key, cost: 1, rate }).allowed;
  return { store, passMs, take };
}

describe("limits in memory", () => {
  limitStoreContract(async () => start());

  test("say to the millisecond when there will be a call", () => {
    const { store, passMs, take } = start();
    for (let calls = 0; calls < 3; calls += 1) take("a");
    expect(store.take({ key: "a", cost: 1, rate })).toEqual({ allowed: false, retryAfterMs: 500 });
    passMs(120);
    expect(store.take({ key: "a", cost: 1, rate })).toEqual({ allowed: false, retryAfterMs: 380 });
    passMs(379);
    expect(take("a")).toBe(false);
    passMs(1);
    expect([take("a"), take("a")]).toEqual([true, false]);
  });
  test("a full store refuses to count new callers, and makes nobody's bucket new", () => {
    const { store, passMs, take } = start(2);
    for (const key of ["a", "a", "a", "b"]) expect(take(key)).toBe(true);
    for (const key of ["c", "d", "e"]) expect(() => take(key)).toThrow("too many callers");
    expect([take("a"), take("b"), store.size]).toEqual([false, true, 2]);
    expect(store.take({ key: "c", cost: 0, rate })).toEqual({ allowed: true });
    // "b" is at rest again, "a" is not.
    passMs(1_000);
    expect([take("c"), take("a"), take("a"), take("a"), store.size]).toEqual([true, true, true, false, 2]);
  });
  test("a clock that is set back empties a bucket, and shuts nobody out", () => {
    const { passMs, take } = start();
    expect(take("a")).toBe(true);
    passMs(-4_000);
    expect(take("a")).toBe(false);
    passMs(500);
    expect(take("a")).toBe(true);
  });
  test("a clock that gives no time counts nothing", () => {
    const store = memoryLimits({ now: () => Number.NaN });
    expect(() => store.take({ key: "a", cost: 1, rate })).toThrow("no time");
  });
  test("refuse a bound that is none", () => {
    for (const maxKeys of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => memoryLimits({ maxKeys })).toThrow(RangeError);
    }
  });
  test("over any stretch of time, nobody gets more than a burst and what the rate gives", () => {
    const rates = fc.record({
      perSecond: fc.constantFrom(0.1, 1 / 3, 1, 7, 10, 333, 1_000),
      burst: fc.integer({ min: 1, max: 9 }),
    });
    const step = fc.record({ key: fc.constantFrom("a", "b"), afterMs: fc.nat(400), cost: fc.constantFrom(0, 1) });
    fc.assert(
      fc.property(rates, fc.array(step, { maxLength: 150 }), (tried, steps) => {
        let nowMs = 0;
        const store = memoryLimits({ now: () => nowMs });
        const taken: Record<string, number[]> = { a: [], b: [] };
        const cameBack = (key: string, afterMs: number) => {
          nowMs += afterMs;
          expect(store.take({ key, cost: 0, rate: tried })).toEqual({ allowed: true });
          nowMs -= afterMs;
        };
        for (const { key, afterMs, cost } of steps) {
          nowMs += afterMs;
          const asked = store.take({ key, cost: 0, rate: tried });
          expect(store.take({ key, cost: 0, rate: tried })).toEqual(asked);
          const verdict = cost === 0 ? asked : store.take({ key, cost: 1, rate: tried });
          expect(verdict).toEqual(asked);
          const times = taken[key] ?? [];
          if (!verdict.allowed) cameBack(key, verdict.retryAfterMs);
          else if (cost === 1) times.push(nowMs);
          for (const [index, fromMs] of times.entries()) {
            const within = times.length - index;
            expect(within).toBeLessThanOrEqual(tried.burst + ((nowMs - fromMs) / 1_000) * tried.perSecond + 1e-3);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
