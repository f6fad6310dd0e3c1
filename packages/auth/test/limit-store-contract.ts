import { expect, test } from "vitest";
import type { LimitStore, LimitTake } from "../src/limits/limit-store.ts";

/** A store to try, and its clock. */
export interface TriedLimits {
  readonly store: LimitStore;
  /** Comes when so many milliseconds have passed for the store. */
  readonly passMs: (ms: number) => void | Promise<void>;
}

/** Slow enough that a busy machine and a store over a network stay within one call. */
const rate = { perSecond: 2, burst: 3 };

/**
 * What every store of limits does.
 *
 * @param start - an empty store
 */
export function limitStoreContract(start: () => Promise<TriedLimits>): void {
  const take = async (store: LimitStore, changes: Partial<LimitTake> = {}): Promise<number | "allowed"> => {
    const verdict = await store.take({ key: "client partner", cost: 1, rate, ...changes });
    return verdict.allowed ? "allowed" : verdict.retryAfterMs;
  };
  const empty = async (store: LimitStore, changes: Partial<LimitTake> = {}) => {
    for (let calls = 0; calls < (changes.rate ?? rate).burst; calls += 1) {
      expect(await take(store, changes)).toBe("allowed");
    }
  };

  test("allows a burst and no more, and says when there will be one more", async () => {
    const { store, passMs } = await start();
    await empty(store);
    const retryAfterMs = Number(await take(store));
    expect(retryAfterMs).toBeGreaterThan(0);
    expect(retryAfterMs).toBeLessThanOrEqual(500);
    await passMs(retryAfterMs);
    expect(await take(store)).toBe("allowed");
    expect(await take(store)).toBeGreaterThan(0);
  });
  test("what is refused costs nothing: who keeps asking waits no longer", async () => {
    const { store, passMs } = await start();
    await empty(store);
    const retryAfterMs = Number(await take(store));
    for (let calls = 0; calls < 20; calls += 1) expect(await take(store)).toBeGreaterThan(0);
    await passMs(retryAfterMs);
    expect(await take(store)).toBe("allowed");
  });
  test("asking costs nothing, and is answered as taking would be", async () => {
    const { store, passMs } = await start();
    for (let calls = 0; calls < 10; calls += 1) expect(await take(store, { cost: 0 })).toBe("allowed");
    await empty(store);
    const retryAfterMs = Number(await take(store, { cost: 0 }));
    expect(retryAfterMs).toBeGreaterThan(0);
    expect(retryAfterMs).toBeLessThanOrEqual(500);
    await passMs(retryAfterMs);
    expect(await take(store, { cost: 0 })).toBe("allowed");
    expect(await take(store)).toBe("allowed");
  });
  test("one caller's calls are not another's", async () => {
    const { store } = await start();
    await empty(store);
    for (const key of [
      "client Partner",
      "client partner ",
      "failures partner",
      "client partner:0",
      "{client} partner",
    ]) {
      await empty(store, { key });
      expect(await take(store, { key })).toBeGreaterThan(0);
    }
  });
  test("a rest fills a bucket, and no further", async () => {
    const { store, passMs } = await start();
    await empty(store);
    await passMs(2_000);
    await empty(store);
    expect(await take(store)).toBeGreaterThan(0);
  });
  test("of many who ask at once, no more are allowed than there are calls", async () => {
    const { store } = await start();
    const slow = { perSecond: 0.01, burst: 20 };
    const verdicts = await Promise.all(Array.from({ length: 200 }, () => take(store, { rate: slow })));
    expect(verdicts.filter((verdict) => verdict === "allowed")).toHaveLength(20);
  });
  test("a burst that is made smaller shuts nobody out for longer than it takes to fill", async () => {
    const { store } = await start();
    await empty(store, { rate: { perSecond: 0.01, burst: 50 } });
    const retryAfterMs = await take(store);
    expect(retryAfterMs).toBeGreaterThan(0);
    expect(retryAfterMs).toBeLessThanOrEqual(500);
  });
}
