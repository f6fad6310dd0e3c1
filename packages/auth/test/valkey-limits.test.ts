import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LimitStore, LimitVerdict } from "../src/limits/limit-store.ts";
import { memoryLimits } from "../src/limits/memory-limits.ts";
import { valkeyLimits } from "../src/stores/valkey.ts";
import { limitStoreContract, type TriedLimits } from "./limit-store-contract.ts";
import { hasValkey, startTestValkey, type TestValkey } from "./valkey.ts";

const waitOf = (verdict: LimitVerdict) => (verdict.allowed ? 0 : verdict.retryAfterMs);

/** Moves every bucket as if so much time had passed: nobody can set the server's clock. */
const passScript = `
for _, key in ipairs(redis.call('KEYS', 'zt:limit:*')) do
  redis.call('SET', key, string.format('%.17g', redis.call('GET', key) - ARGV[1]), 'KEEPTTL')
end`;

describe.runIf(hasValkey)("limits in Valkey, asked over three connections", () => {
  let valkey: TestValkey;
  let stores: readonly LimitStore[];
  beforeAll(async () => {
    valkey = await startTestValkey();
    const clients = await Promise.all([valkey.connected(), valkey.connected(), valkey.connected()]);
    stores = clients.map((client) => valkeyLimits({ client, service: "ping" }));
  });
  afterAll(async () => await valkey[Symbol.asyncDispose]());

  async function start(): Promise<TriedLimits> {
    await valkey.operate("FLUSHALL");
    let turn = 0;
    const store: LimitStore = {
      take(taking) {
        turn += 1;
        const one = stores[turn % stores.length];
        if (one === undefined) throw new Error("no store");
        return one.take(taking);
      },
    };
    return { store, passMs: async (ms) => void (await valkey.operate("EVAL", passScript, "0", String(ms))) };
  }
  limitStoreContract(start);

  test("answer as limits in memory do, whatever the rate and however long the pauses", async () => {
    // Slow, so that what passes meanwhile for Valkey is a small part of a call.
    const rate = fc.record({ perSecond: fc.constantFrom(0.001, 0.002, 0.0005), burst: fc.integer({ min: 1, max: 6 }) });
    const step = fc.record({
      key: fc.constantFrom("a", "b"),
      afterMs: fc.constantFrom(0, 0, 0, 300_000, 900_000, 3_000_000),
      cost: fc.constantFrom(0 as const, 1 as const),
    });
    await fc.assert(
      fc.asyncProperty(rate, fc.array(step, { minLength: 1, maxLength: 40 }), async (tried, steps) => {
        let nowMs = 0;
        const model = memoryLimits({ now: () => nowMs });
        const { store, passMs } = await start();
        for (const { key, afterMs, cost } of steps) {
          nowMs += afterMs;
          if (afterMs > 0) await passMs(afterMs);
          const [verdict, expected] = [
            await store.take({ key, cost, rate: tried }),
            model.take({ key, cost, rate: tried }),
          ];
          expect(verdict.allowed).toBe(expected.allowed);
          expect(Math.abs(waitOf(verdict) - waitOf(expected))).toBeLessThan(60_000);
        }
      }),
      { numRuns: 15 },
    );
  });
  test("keep nothing of who is at rest", async () => {
    const { store } = await start();
    const rate = { perSecond: 10, burst: 3 };
    expect(await store.take({ key: "a", cost: 0, rate })).toEqual({ allowed: true });
    expect(await valkey.operate("KEYS", "zt:limit:*")).toEqual([]);
    expect(await store.take({ key: "a", cost: 1, rate })).toEqual({ allowed: true });
    expect(Number(await valkey.operate("PTTL", "zt:limit:ping a"))).toBeLessThanOrEqual(100);
  });
  test("of one service are not those of another", async () => {
    const client = await valkey.connected();
    const rate = { perSecond: 0.001, burst: 1 };
    for (const service of ["ping", "pong"]) {
      const store = valkeyLimits({ client, service });
      expect(await store.take({ key: "client partner", cost: 1, rate })).toEqual({ allowed: true });
      expect(await store.take({ key: "client partner", cost: 1, rate })).toMatchObject({ allowed: false });
    }
  });
  test("are not known while Valkey is not there, and refuse a rate that is none", async () => {
    const client = await valkey.connected();
    const store = valkeyLimits({ client, service: "ping" });
    await expect(store.take({ key: "a", cost: 1, rate: { perSecond: Number.NaN, burst: 1 } })).rejects.toThrow(
      RangeError,
    );
    client.close();
    await expect(store.take({ key: "a", cost: 1, rate: { perSecond: 1, burst: 1 } })).rejects.toThrow(
      /Valkey|connection/u,
    );
  });
});
