import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { apiKeyPattern, hashApiKey, newApiKey, parseApiKey } from "./format.ts";

test("a new key is well-formed, and its hash is of the whole key", () => {
  const { key: issued, id, sha256 } = newApiKey("live");
  const key = issued.expose();
  expect(key).toMatch(apiKeyPattern);
  expect(parseApiKey(key)).toEqual({ mode: "live", id });
  expect(sha256).toBe(createHash("sha256").update(key).digest("hex"));
  expect(hashApiKey(key).toString("hex")).toBe(sha256);
});
test("a typo anywhere is told from a key by the checksum", () => {
  const key = newApiKey("test").key.expose();
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
  expect(new Set(Array.from({ length: 50 }, () => newApiKey("live").key.expose())).size).toBe(50);
});
test("a scanner finds keys in a text by the published expression alone", () => {
  const [one, other] = [newApiKey("live").key.expose(), newApiKey("test").key.expose()];
  const scanner = new RegExp(apiKeyPattern.source.slice(1, -1), "g");
  expect(`API_KEY="${one}"\ncurl -H "x-api-key: ${other}"`.match(scanner)).toEqual([one, other]);
});
test("whatever is shown is a key with a good checksum or none, and nothing throws", () => {
  const key = newApiKey("live").key.expose();
  const near = fc.tuple(fc.nat(key.length), fc.nat(3), fc.string({ maxLength: 3, unit: "binary" }));
  const texts = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.string({ unit: "binary" }).map((text) => `sk-live-${text}`),
    fc.stringMatching(apiKeyPattern),
    near.map(([at, cut, text]) => key.slice(0, at) + text + key.slice(at + cut)),
  );
  fc.assert(
    fc.property(texts, (text) => {
      const parsed = parseApiKey(text);
      if (parsed === undefined) return;
      expect(text).toMatch(apiKeyPattern);
      expect(crc32(text.slice(0, -8))).toBe(Number.parseInt(text.slice(-8), 16));
      expect(text.startsWith(`sk-${parsed.mode}-${parsed.id}-`)).toBe(true);
    }),
    { numRuns: 1_000 },
  );
});
test("a rotation keeps the id, and an id that is none is refused", () => {
  const { id, key } = newApiKey("live");
  const fresh = newApiKey("live", id);
  expect([fresh.id, fresh.key.expose() === key.expose()]).toEqual([id, false]);
  for (const wrong of ["", "short", "A".repeat(12), `${id}\n`])
    expect(() => newApiKey("live", wrong)).toThrow(TypeError);
});
