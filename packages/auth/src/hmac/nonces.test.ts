import { describe, expect, test } from "vitest";
import { memoryNonceStore } from "./nonces.ts";

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
    expect(claim("a", start + 10)).toBe("early");
    expect(nonces.size).toBe(0);
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
  test("holds one key to its quota and serves the others", () => {
    const { claim, at } = store({ maxNonces: 10, maxNoncesPerKey: 2 });
    at(10);
    expect([claim("a"), claim("b"), claim("c"), claim("c", start + 10, "hk-b")]).toEqual([
      "new",
      "new",
      "quota",
      "new",
    ]);
    at(311);
    expect(claim("d")).toBe("new");
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
