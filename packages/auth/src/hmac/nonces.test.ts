import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { memoryNonceStore, type NonceVerdict } from "./nonces.ts";

const start = 1_795_000_000;

function store(options: { readonly maxNonces?: number; readonly maxNoncesPerKey?: number } = {}) {
  let second = start;
  const nonces = memoryNonceStore({ ...options, now: () => second * 1000 });
  const claim = (hash: string, timestampSeconds = second, keyId = "hk-a") =>
    nonces.claim({ keyId, hash, timestampSeconds, nowSeconds: second });
  const at = (seconds: number) => {
    second = start + seconds;
  };
  return { nonces, claim, at };
}

describe("a nonce store that has just started", () => {
  test("vouches for no timestamp up to its start plus the skew, and says when it is ready", () => {
    const { nonces, claim, at } = store();
    expect([nonces.isReady(), claim("a", start + 5)]).toEqual([false, "early"]);
    at(5);
    expect([nonces.isReady(), claim("a")]).toEqual([false, "early"]);
    at(6);
    expect([nonces.isReady(), claim("a"), claim("b", start + 5)]).toEqual([true, "new", "early"]);
  });
});
describe("a nonce store", () => {
  test("knows a nonce again, also with another timestamp, until its timestamp has left the window", () => {
    const { nonces, claim, at } = store();
    at(10);
    expect([claim("a"), claim("a"), claim("a", start + 11)]).toEqual(["new", "replayed", "replayed"]);
    at(310);
    expect(claim("a", start + 10)).toBe("replayed");
    at(311);
    expect(claim("a", start + 10)).toBe("replayed");
    at(311 + 20);
    expect([claim("a", start + 10), nonces.size]).toEqual(["early", 0]);
  });
  test("brings nothing back when the clock is set back", () => {
    const { claim, at } = store();
    at(10);
    expect(claim("a")).toBe("new");
    at(1_000);
    expect(claim("b")).toBe("new");
    at(10);
    expect(claim("a")).toBe("early");
  });
  test("brings back none of many that were forgotten at once, in whichever order they came", () => {
    const ages = [3, 0, 1, 20, 21, 40, 39];
    const { claim, at } = store();
    at(50);
    const claims = () => ages.map((age) => claim(String(age), start + 50 - age));
    expect(new Set(claims())).toEqual(new Set(["new"]));
    at(1_000);
    expect(claim("b")).toBe("new");
    at(50);
    expect(new Set(claims())).toEqual(new Set(["early"]));
  });
  test("serves at once when a clock that was ahead for a moment is right again, and brings nothing back", () => {
    const { nonces, claim, at } = store();
    at(10);
    expect(claim("a")).toBe("new");
    at(86_400);
    expect(claim("b")).toBe("new");
    at(20);
    expect([nonces.isReady(), claim("a", start + 10), claim("c"), claim("c")]).toEqual([
      true,
      "early",
      "new",
      "replayed",
    ]);
    at(86_401);
    expect([claim("b", start + 86_400), claim("c", start + 20)]).toEqual(["replayed", "early"]);
  });
  test("holds one key to its quota and serves the others", () => {
    const { claim, at } = store({ maxNonces: 10, maxNoncesPerKey: 2 });
    at(10);
    expect([claim("a"), claim("b"), claim("c"), claim("c", start + 10, "hk-b")]).toEqual([
      "new",
      "new",
      "quota",
      "new",
    ]);
    at(311 + 20);
    expect(claim("d")).toBe("new");
  });
  test("gives a key back what it has forgotten, and no more", () => {
    const { claim, at } = store({ maxNonces: 10, maxNoncesPerKey: 2 });
    at(10);
    expect(claim("a")).toBe("new");
    at(200);
    expect([claim("b", start + 200), claim("c", start + 200)]).toEqual(["new", "quota"]);
    // The first is forgotten, and the second is not.
    at(340);
    expect([claim("c", start + 340), claim("d", start + 340)]).toEqual(["new", "quota"]);
  });
  test("forgets nothing live when it is full", () => {
    const { nonces, claim, at } = store({ maxNonces: 2, maxNoncesPerKey: 2 });
    at(10);
    expect([claim("a"), claim("b"), claim("c", start + 10, "hk-b"), claim("a")]).toEqual([
      "new",
      "new",
      "full",
      "replayed",
    ]);
    expect(nonces.size).toBe(2);
  });
});

describe("whatever the clock does", () => {
  const [pastSeconds, futureSeconds] = [30, 5];
  const step = fc.record({
    // Mostly small steps; jumps that leave the window, both ways.
    bySeconds: fc.oneof({ weight: 4, arbitrary: fc.nat(3) }, fc.integer({ min: -60, max: 60 })),
    keyId: fc.constantFrom("hk-a", "hk-b"),
    nonce: fc.nat(3),
    aheadSeconds: fc.integer({ min: -pastSeconds, max: futureSeconds }),
  });
  const steps = fc.array(step, { minLength: 20, maxLength: 200 });

  test("no nonce is new twice while the timestamp that it came with could be shown again", () => {
    let replays = 0;
    fc.assert(
      fc.property(steps, (taken) => {
        let second = start;
        const nonces = memoryNonceStore({ pastSeconds, futureSeconds, now: () => second * 1000 });
        const known: { readonly hash: string; readonly timestampSeconds: number }[] = [];
        let newestSecond = start - 1_000;
        for (const { bySeconds, keyId, nonce, aheadSeconds } of taken) {
          second += bySeconds;
          newestSecond = Math.max(newestSecond, second);
          const timestampSeconds = second + aheadSeconds;
          const hash = `${keyId} ${nonce}`;
          const verdict = nonces.claim({ keyId, hash, timestampSeconds, nowSeconds: second });
          const earlier = known.filter((use) => use.hash === hash);
          const isShownAgain = earlier.some((use) => use.timestampSeconds === timestampSeconds);
          const couldBeShown = earlier.some((use) => use.timestampSeconds >= newestSecond - pastSeconds);
          const mustNotBeNew = isShownAgain || couldBeShown;
          expect(mustNotBeNew && verdict === "new").toBe(false);
          replays += Number(mustNotBeNew);
          // What came before the start, or before something that was forgotten, is not known.
          const wasMissed = timestampSeconds <= start + futureSeconds;
          const isBeforeForgotten = known.some(
            (use) => use.timestampSeconds >= timestampSeconds && use.timestampSeconds < newestSecond - pastSeconds,
          );
          expect(wasMissed && verdict !== "early").toBe(false);
          expect(verdict === "early" && !wasMissed && !isBeforeForgotten).toBe(false);
          expect(verdict === "replayed" && earlier.length === 0).toBe(false);
          if (verdict === "new") known.push({ hash, timestampSeconds });
        }
      }),
      { numRuns: 500 },
    );
    expect(replays).toBeGreaterThan(1_000);
  });
  test("it holds no more than it may, all in all and of one key, and forgets nothing live for it", () => {
    const [maxNonces, maxNoncesPerKey] = [6, 4];
    const seen = new Set<NonceVerdict>();
    fc.assert(
      fc.property(steps, (taken) => {
        let second = start;
        let newestSecond = start;
        const limits = { pastSeconds, futureSeconds, maxNonces, maxNoncesPerKey };
        const nonces = memoryNonceStore({ ...limits, now: () => second * 1000 });
        const live: { readonly keyId: string; readonly hash: string; readonly timestampSeconds: number }[] = [];
        for (const [index, { bySeconds, keyId, aheadSeconds }] of taken.entries()) {
          second += bySeconds;
          newestSecond = Math.max(newestSecond, second);
          const use = { keyId, hash: String(index), timestampSeconds: second + aheadSeconds };
          const verdict = nonces.claim({ ...use, nowSeconds: second });
          seen.add(verdict);
          if (verdict === "new") live.push(use);
          expect(nonces.size).toBeLessThanOrEqual(maxNonces);
          const shown = live.filter(({ timestampSeconds }) => timestampSeconds >= newestSecond - pastSeconds);
          expect(shown.length).toBeLessThanOrEqual(maxNonces);
          expect(shown.filter((other) => other.keyId === keyId).length).toBeLessThanOrEqual(maxNoncesPerKey);
          for (const other of shown) expect(nonces.claim({ ...other, nowSeconds: second })).not.toBe("new");
        }
      }),
      { numRuns: 300 },
    );
    expect([...seen].toSorted()).toEqual(["early", "full", "new", "quota"]);
  });
  test("whatever the window and the limits, no signed request is new twice, however full it is", () => {
    const window = fc.record({
      pastSeconds: fc.nat(40),
      futureSeconds: fc.nat(10),
      maxNonces: fc.integer({ min: 1, max: 9 }),
    });
    const move = fc.record({
      bySeconds: fc.oneof({ weight: 4, arbitrary: fc.nat(2) }, fc.integer({ min: -120, max: 120 })),
      // One that was shown before, by its place among them; or a new one.
      again: fc.option(fc.nat()),
      age: fc.nat(),
    });
    let again = 0;
    fc.assert(
      fc.property(window, fc.array(move, { minLength: 20, maxLength: 120 }), (options, moves) => {
        const { pastSeconds, futureSeconds } = options;
        let second = start;
        const nonces = memoryNonceStore({ ...options, maxNoncesPerKey: options.maxNonces, now: () => second * 1000 });
        // The model: every request that was ever new, none of them forgotten.
        const served: { readonly keyId: string; readonly hash: string; readonly timestampSeconds: number }[] = [];
        for (const [index, { bySeconds, again: place, age }] of moves.entries()) {
          second += bySeconds;
          const newest = second + futureSeconds;
          const fresh = {
            keyId: "hk-a",
            hash: String(index),
            timestampSeconds: newest - (age % (pastSeconds + futureSeconds + 1)),
          };
          const use = place === null ? fresh : (served[place % served.length] ?? fresh);
          // `hmac()` asks for no other.
          if (use.timestampSeconds > newest || use.timestampSeconds < second - pastSeconds) continue;
          const verdict = nonces.claim({ ...use, nowSeconds: second });
          const isServed = served.includes(use);
          expect(isServed && !["replayed", "early"].includes(verdict)).toBe(false);
          again += Number(isServed);
          if (verdict === "new") served.push(use);
        }
      }),
      { numRuns: 500 },
    );
    expect(again).toBeGreaterThan(1_000);
  });
});
test("a clock that is broken brings nothing back", () => {
  const broken = memoryNonceStore({ now: () => Number.NaN });
  const use = { keyId: "hk-a", hash: "a", timestampSeconds: start, nowSeconds: start };
  expect([broken.isReady(), broken.claim(use)]).toEqual([false, "early"]);
  const { nonces, claim, at } = store();
  at(10);
  expect(claim("a")).toBe("new");
  expect(nonces.claim({ ...use, timestampSeconds: start + 10, nowSeconds: Number.NaN })).toBe("replayed");
});
test.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY])("a window of %d s is none", (pastSeconds) => {
  expect(() => memoryNonceStore({ pastSeconds })).toThrow(/pastSeconds is not a whole number/);
});
test.each([Number.NaN, 0, -1, 0.5, Number.POSITIVE_INFINITY])("%d nonces are no limit", (limit) => {
  expect(() => memoryNonceStore({ maxNonces: limit, maxNoncesPerKey: 1 })).toThrow(/^maxNonces is not a whole number/);
  expect(() => memoryNonceStore({ maxNoncesPerKey: limit })).toThrow(/^maxNoncesPerKey is not a whole number/);
});
