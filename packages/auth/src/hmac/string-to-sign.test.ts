import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { audience, call, key, nowMs, raw, vector, verifier } from "../../test/signed-vector.ts";
import type { SignatureVerifier } from "../verifier.ts";
import { hmac as present } from "./client.ts";
import { newSigningKey, signingSecret } from "./keys.ts";
import { memoryNonceStore } from "./nonces.ts";
import { hmac } from "./server.ts";

describe("H1: a single flipped bit", () => {
  const parts = ["x-api-key", "x-timestamp", "x-nonce", "x-signature", "path", "message"] as const;
  type SignedCall = Record<(typeof parts)[number], Buffer>;
  /** The verdict on a signed call of which one bit is flipped, all of its parts taken for one long text. */
  async function flipped(call1: SignedCall, of: SignatureVerifier, bit: number) {
    let offset = bit;
    const changed = Object.fromEntries(
      parts.map((part) => {
        const bytes = Buffer.from(call1[part]);
        if (offset >= 0 && offset < bytes.length * 8)
          bytes[offset >> 3] = (bytes[offset >> 3] ?? 0) ^ (1 << (offset & 7));
        offset -= bytes.length * 8;
        return [part, bytes];
      }),
    ) as SignedCall;
    const values = Object.fromEntries(parts.slice(0, 4).map((part) => [part, changed[part].toString("latin1")]));
    const { finding, signature } = await of.open(raw(values), { ...call(), path: changed.path.toString("latin1") });
    return signature?.check(changed.message) ?? finding;
  }
  const bitsOf = (of: SignedCall) => parts.reduce((sum, part) => sum + of[part].length * 8, 0);

  test("anywhere in the published vector is refused", async () => {
    const vectorCall = {
      "x-api-key": Buffer.from(vector.keyId),
      "x-timestamp": Buffer.from(vector.timestamp),
      "x-nonce": Buffer.from(vector.nonce),
      "x-signature": Buffer.from(vector.signature),
      path: Buffer.from(vector.path),
      message: vector.message,
    };
    const of = verifier();
    expect(await flipped(vectorCall, of, -1)).toMatchObject({ verdict: "verified" });
    for (let bit = 0; bit < bitsOf(vectorCall); bit += 1) {
      expect({ bit, ...(await flipped(vectorCall, of, bit)) }).toMatchObject({ bit, verdict: "invalid" });
    }
  });
  test("anywhere in any call is refused", async () => {
    const [one, other] = [newSigningKey(), newSigningKey()];
    const known = new Map([one, other].map(({ id, secret }) => [id, { ...key, id, secret: signingSecret(secret) }]));
    const of = hmac({ keys: { find: (id) => known.get(id) }, nonces: memoryNonceStore(), audience });
    const message = fc.uint8Array({ maxLength: 64 });
    const path = fc.stringMatching(/^\/[a-z.]{1,20}\/[A-Z][a-z]{1,10}$/);
    await fc.assert(
      fc.asyncProperty(
        message,
        path,
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        async (bytes, to, at) => {
          const presenter = present({ keyId: one.id, secret: one.secret, now: () => nowMs });
          const values = await presenter.present({ path: to, message: async () => Buffer.from(bytes) });
          const headers = Object.entries(values).map(([name, value]) => [name, Buffer.from(String(value))]);
          const rest = { path: Buffer.from(to), message: Buffer.from(bytes) };
          const signedCall = { ...Object.fromEntries(headers), ...rest } as SignedCall;
          expect(await flipped(signedCall, of, -1)).toMatchObject({ verdict: "verified" });
          const bit = Math.floor(at * bitsOf(signedCall));
          expect(await flipped(signedCall, of, bit)).toMatchObject({ verdict: "invalid" });
        },
      ),
      { numRuns: 500 },
    );
  });
});

test("whatever the metadata holds, it is refused or of the published grammar, and nothing throws", async () => {
  const near = (value: string) =>
    fc.oneof(
      { weight: 4, arbitrary: fc.constant(value) },
      fc
        .tuple(fc.nat(value.length), fc.nat(2), fc.string({ maxLength: 2, unit: "binary" }))
        .map(([at, cut, text]) => value.slice(0, at) + text + value.slice(at + cut)),
      fc.string({ unit: "binary" }),
      fc.array(fc.string(), { maxLength: 3 }),
      fc.constant([]),
      fc.uint8Array().map((bytes) => [Buffer.from(bytes)]),
    );
  const metadata = fc.record({
    "x-api-key": near(vector.keyId),
    "x-timestamp": near(vector.timestamp),
    "x-nonce": near(vector.nonce),
    "x-signature": near(vector.signature),
  });
  // As it is published, and not as the code has it.
  const published = {
    "x-api-key": /^hk-[a-z0-9]{8,32}$/,
    "x-timestamp": /^[0-9]{10}$/,
    "x-nonce": /^[0-9a-f]{16,64}$/,
    "x-signature": /^[0-9a-f]{64}$/,
  };
  const of = hmac({ keys: { find: () => undefined }, nonces: memoryNonceStore(), audience });
  let pending = 0;
  await fc.assert(
    fc.asyncProperty(metadata, async (values) => {
      const { finding, signature } = await of.open(raw(values, true), call());
      expect(signature?.check(vector.message).verdict ?? finding.verdict).toBe("invalid");
      if (signature === undefined) return;
      pending += 1;
      for (const [name, value] of Object.entries(values)) {
        expect([value].flat()).toEqual([expect.stringMatching(published[name as keyof typeof published])]);
      }
    }),
    { numRuns: 1_000 },
  );
  expect(pending).toBeGreaterThan(5);
});
