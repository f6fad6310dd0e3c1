import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { memoryNonceStore, type NonceUse } from "../src/hmac/nonces.ts";
import {
  type ValkeyClient,
  type ValkeyNonceOptions,
  type ValkeyNonceStore,
  valkeyNonceStore,
} from "../src/stores/valkey.ts";
import { nonceStoreContract, type TriedLimits, type TriedNonces } from "./nonce-store-contract.ts";
import { documentedAcl, hasValkey, publisherAcl, startTestValkey, type TestValkey } from "./valkey.ts";

const realSeconds = () => Math.floor(Date.now() / 1000);
/** However busy the machine is. */
const inTime = { timeout: 20_000, interval: 10 };

function openStore(client: ValkeyClient, options: Partial<ValkeyNonceOptions> = {}): ValkeyNonceStore {
  const store = valkeyNonceStore({ client, ...options });
  onTestFinished(() => store.close());
  return store;
}

/** When everything is known, as the mark says that the stores go by. */
async function knownSince(valkey: TestValkey): Promise<number> {
  const mark = await vi.waitUntil(async () => await valkey.operate("GET", "zt:nonce:since"), inTime);
  return Number(String(mark).split(" ")[1]);
}

test("the README says what Valkey's users may do, with which all this is tried", () => {
  const readme = readFileSync(join(import.meta.dirname, "../README.md"), "utf8");
  expect(readme).toContain(` ${documentedAcl}\n`);
  expect(readme).toContain(` ${publisherAcl}\n`);
});

describe("a nonce store in memory", () => {
  nonceStoreContract(async (limits = {}) => {
    const nowSeconds = realSeconds();
    const store = memoryNonceStore({ ...limits, now: () => nowSeconds * 1000 });
    return { stores: [store], knownSeconds: nowSeconds + 5, nowSeconds };
  });
});

describe.runIf(hasValkey)("a nonce store in Valkey, asked over three connections", () => {
  let valkey: TestValkey;
  let clients: readonly [ValkeyClient, ValkeyClient, ValkeyClient];
  beforeAll(async () => {
    valkey = await startTestValkey();
    clients = await Promise.all([valkey.connected(), valkey.connected(), valkey.connected()]);
  });
  afterAll(async () => await valkey[Symbol.asyncDispose]());

  async function start(limits: TriedLimits = {}): Promise<TriedNonces> {
    await valkey.operate("FLUSHALL");
    const [one, other, third] = clients;
    const stores = [openStore(one, limits), openStore(other, limits), openStore(third, limits)] as const;
    return { stores, knownSeconds: await knownSince(valkey), nowSeconds: realSeconds() };
  }
  nonceStoreContract(start);

  test("keeps a nonce for longer than the mark would live without anybody, however far Valkey's clock jumps", async () => {
    const { stores, knownSeconds, nowSeconds } = await start();
    const timestampSeconds = knownSeconds + 1;
    expect(await stores[0].claim({ keyId: "hk-aaaaaaaa", hash: "a", timestampSeconds, nowSeconds })).toBe("new");
    const life = async (key: string) => Number(await valkey.operate("PTTL", `zt:nonce:${key}`));
    const ms = await life("a");
    // Until whoever is furthest behind has it out of his window.
    const shownForMs = (timestampSeconds + 300 + 5) * 1_000 - Date.now();
    const markMs = await life("since");
    expect([markMs > 0, markMs <= 60_000]).toEqual([true, true]);
    expect(ms - shownForMs).toBeGreaterThanOrEqual(markMs);
    expect(await life("of:hk-aaaaaaaa")).toBeGreaterThanOrEqual(ms);
    // Such a jump: what has ended is gone, and so is the word that all is known.
    await valkey.operate("DEL", "zt:nonce:a", "zt:nonce:since");
    expect(await stores[0].claim({ keyId: "hk-aaaaaaaa", hash: "a", timestampSeconds, nowSeconds })).toBe("early");
  });
  test("gives a key its room back when its nonces have ended", async () => {
    const { stores, knownSeconds, nowSeconds } = await start({ maxNoncesPerKey: 2 });
    const claim = (hash: string) =>
      stores[0].claim({ keyId: "hk-aaaaaaaa", hash, timestampSeconds: knownSeconds + 1, nowSeconds });
    expect([await claim("a"), await claim("b"), await claim("c")]).toEqual(["new", "new", "quota"]);
    // As if they had come long ago: the slice of a time whose nonces have all ended.
    const slices = (await valkey.operate("HKEYS", "zt:nonce:of:hk-aaaaaaaa")) as string[];
    await valkey.operate("DEL", "zt:nonce:of:hk-aaaaaaaa");
    await valkey.operate("HSET", "zt:nonce:of:hk-aaaaaaaa", String(Number(slices[0]) - 30), "2");
    expect([await claim("c"), await claim("d"), await claim("e")]).toEqual(["new", "new", "quota"]);
    expect(await valkey.operate("HKEYS", "zt:nonce:of:hk-aaaaaaaa")).toEqual(slices);
  });

  test("says what a store in memory says, whatever comes in whichever order", async () => {
    const claim = fc.record({
      store: fc.nat(2),
      keyId: fc.constantFrom("hk-aaaaaaaa", "hk-bbbbbbbb"),
      nonce: fc.nat(9),
      afterSeconds: fc.integer({ min: -3, max: 60 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(claim, { minLength: 1, maxLength: 60 }), async (taken) => {
        const limits = { maxNoncesPerKey: 7 };
        const { stores, knownSeconds, nowSeconds } = await start(limits);
        const model = memoryNonceStore({ ...limits, now: () => (knownSeconds - 5) * 1000 });
        for (const { store, keyId, nonce, afterSeconds } of taken) {
          const use: NonceUse = {
            keyId,
            hash: `${keyId}-${nonce}`,
            timestampSeconds: knownSeconds + afterSeconds,
            nowSeconds,
          };
          expect(await stores[store]?.claim(use)).toBe(model.claim(use));
        }
      }),
      { numRuns: 15 },
    );
  });
});
