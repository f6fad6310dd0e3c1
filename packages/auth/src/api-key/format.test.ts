import fc from "fast-check";
import { expect, test } from "vitest";
import { apiKeyPattern, hashApiKey, newApiKey, parseApiKey } from "./format.ts";

test("a new key is well-formed, and its hash is of the whole key", () => {
  const { key, id, sha256 } = newApiKey("live");
  expect(key).toMatch(apiKeyPattern);
  expect(parseApiKey(key)).toEqual({ mode: "live", id });
  expect(hashApiKey(key).toString("hex")).toBe(sha256);
});
test("a typo anywhere is told from a key by the checksum", () => {
  const { key } = newApiKey("test");
  fc.assert(
    fc.property(fc.nat(key.length - 1), fc.constantFrom("a", "Z", "0", "9", "_", "-"), (at, letter) => {
      fc.pre(key[at] !== letter);
      expect(parseApiKey(key.slice(0, at) + letter + key.slice(at + 1))).toBeUndefined();
    }),
  );
});
test.each(["", "sk-live-", "sk-prod-abc", " ", "sk-live-aaaaaaaaaaaa-"])("%j is no key", (text) => {
  expect(parseApiKey(text)).toBeUndefined();
});
test("two keys are never the same", () => {
  expect(new Set(Array.from({ length: 50 }, () => newApiKey("live").key)).size).toBe(50);
});
