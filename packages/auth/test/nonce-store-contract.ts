import { expect, test } from "vitest";
import type { NonceStore, NonceVerdict } from "../src/hmac/nonces.ts";

/** A store to try, which has been there for a while, and processes that share it. */
export interface TriedNonces {
  /** Each as a process of its own sees it; one that is for one process alone is here once. */
  readonly stores: readonly [NonceStore, ...NonceStore[]];
  /** Unix seconds, as the stores see them. */
  readonly nowSeconds: number;
  /** Since when, at the latest, it knows all nonces: a timestamp after that is not `early`. */
  readonly knownSeconds: number;
}

/** How the stores are made, all with the same limits. */
export interface TriedLimits {
  readonly maxNoncesPerKey?: number;
}

/**
 * What every store of nonces does.
 *
 * @param start - an empty store
 */
export function nonceStoreContract(start: (limits?: TriedLimits) => Promise<TriedNonces>): void {
  const claims = ({ stores, nowSeconds, knownSeconds }: TriedNonces) => {
    let turn = 0;
    return async (hash: string, keyId = "hk-aaaaaaaa", timestampSeconds = knownSeconds + 1): Promise<NonceVerdict> => {
      turn += 1;
      const store = stores[turn % stores.length] ?? stores[0];
      return await store.claim({ keyId, hash, timestampSeconds, nowSeconds });
    };
  };

  test("takes a nonce once, whoever asks, also with another timestamp or of another key", async () => {
    const claim = claims(await start());
    expect([await claim("a"), await claim("b")]).toEqual(["new", "new"]);
    for (let times = 0; times < 4; times += 1) expect(await claim("a")).toBe("replayed");
    const tried = await start();
    const again = claims(tried);
    expect(await again("a")).toBe("new");
    expect(await again("a", "hk-aaaaaaaa", tried.knownSeconds + 2)).toBe("replayed");
    expect(await again("a", "hk-bbbbbbbb")).toBe("replayed");
  });
  test("vouches for no timestamp before it was there", async () => {
    const tried = await start();
    const claim = claims(tried);
    expect(await claim("a", "hk-aaaaaaaa", tried.knownSeconds)).toBe("early");
    expect(await claim("a", "hk-aaaaaaaa", tried.knownSeconds + 1)).toBe("new");
  });
  test("of a hundred copies at once, over all processes, one is new", async () => {
    const claim = claims(await start());
    for (const hash of ["a", "b", "c"]) {
      const verdicts = await Promise.all(Array.from({ length: 100 }, () => claim(hash)));
      expect(verdicts.filter((verdict) => verdict === "new")).toHaveLength(1);
      expect(verdicts.filter((verdict) => verdict === "replayed")).toHaveLength(99);
    }
  });
  test("holds one key to its quota, also at once, and serves the others", async () => {
    const claim = claims(await start({ maxNoncesPerKey: 20 }));
    const verdicts = await Promise.all(Array.from({ length: 60 }, (_, index) => claim(`a${index}`)));
    expect(Object.groupBy(verdicts, (verdict) => verdict)).toEqual({
      new: Array<NonceVerdict>(20).fill("new"),
      quota: Array<NonceVerdict>(40).fill("quota"),
    });
    expect([await claim("b"), await claim("b", "hk-bbbbbbbb"), await claim("b")]).toEqual(["quota", "new", "replayed"]);
  });
  test.each([Number.NaN, Number.POSITIVE_INFINITY, 0.5])("knows nothing new at %d seconds", async (broken) => {
    const { stores, knownSeconds, nowSeconds } = await start();
    const use = { keyId: "hk-aaaaaaaa", hash: "a", timestampSeconds: knownSeconds + 1, nowSeconds };
    expect(await stores[0].claim(use)).toBe("new");
    const verdict = await Promise.resolve()
      .then(() => stores[0].claim({ ...use, nowSeconds: broken }))
      .catch(() => "rejected");
    expect(verdict).not.toBe("new");
  });
}
