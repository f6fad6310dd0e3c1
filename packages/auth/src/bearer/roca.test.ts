import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { expect, test } from "vitest";
import { isRocaKey } from "./roca.ts";

/** The odd primes up to 167. */
const primes = [
  3n,
  5n,
  7n,
  11n,
  13n,
  17n,
  19n,
  23n,
  29n,
  31n,
  37n,
  41n,
  43n,
  47n,
  53n,
  59n,
  61n,
  67n,
  71n,
  73n,
  79n,
  83n,
  89n,
  97n,
  101n,
  103n,
  107n,
  109n,
  113n,
  127n,
  131n,
  137n,
  139n,
  149n,
  151n,
  157n,
  163n,
  167n,
];
const product = primes.reduce((all, prime) => all * prime, 1n);

/** A number of 2048 bits that leaves what the chip's keys leave. */
function madeByTheChip(exponent: number): bigint {
  let power = 1n;
  for (let count = 0; count < exponent; count += 1) power = (power * 65_537n) % product;
  return ((1n << 2047n) / product + 1n) * product + power;
}

test("knows the keys of the chip", () => {
  for (const exponent of [0, 1, 2, 1000]) expect(isRocaKey(madeByTheChip(exponent))).toBe(true);
});

test("tells them by every one of the primes that has a remainder of its own for them", () => {
  const modulus = madeByTheChip(3);
  // What changes modulo one prime alone: of 11 the powers of 65537 are 1 and 10, so that 2 is none.
  const elsewhere = product / 11n;
  expect(isRocaKey(modulus)).toBe(true);
  expect([1n, 2n, 3n, 4n].some((times) => !isRocaKey(modulus + times * elsewhere))).toBe(true);
  expect(isRocaKey(modulus + 11n * elsewhere)).toBe(true);
});

test("takes the keys of others", () => {
  for (let count = 0; count < 3; count += 1) {
    const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const { n = "" } = createPublicKey(publicKey.export({ type: "spki", format: "pem" })).export({ format: "jwk" });
    expect(isRocaKey(BigInt(`0x${Buffer.from(n, "base64url").toString("hex")}`))).toBe(false);
  }
});
