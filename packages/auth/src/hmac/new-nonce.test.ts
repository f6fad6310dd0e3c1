import { expect, test } from "vitest";
import { newNonce } from "./new-nonce.ts";
import { hmacGrammar } from "./string-to-sign.ts";

test("no two nonces are the same, and each has 128 bits", () => {
  const nonces = Array.from({ length: 10_000 }, newNonce);
  expect(new Set(nonces).size).toBe(nonces.length);
  expect(nonces.every((nonce) => hmacGrammar["x-nonce"].test(nonce) && nonce.length === 32)).toBe(true);
});
