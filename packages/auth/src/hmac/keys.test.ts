import { createSecretKey, generateKeyPairSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import { audience, call, key, nowMs, signed, vector } from "../../test/signed-vector.ts";
import { Reason } from "../gen/zerotrust/auth/v1/policy_pb.ts";
import { newSigningKey, type SigningKey, signingSecret } from "./keys.ts";
import { memoryNonceStore } from "./nonces.ts";
import { hmac } from "./server.ts";

describe("a key source that answers nonsense", () => {
  test.each<[string, unknown]>([
    ["null", null],
    ["a record of another id", { ...key, id: "hk-another0" }],
    ["no client", { ...key, client: undefined }],
    ["no audience", { ...key, audience: undefined }],
    ["scopes that are a list", { ...key, scopes: ["read"] }],
    ["a secret that is a text", { ...key, secret: vector.secret }],
    ["no secret", { ...key, secret: undefined }],
    ["an empty secret", { ...key, secret: createSecretKey(Buffer.alloc(0)) }],
    ["a short secret", { ...key, secret: createSecretKey(Buffer.alloc(31)) }],
    ["a public key", { ...key, secret: generateKeyPairSync("ed25519").publicKey }],
    ["an end that is NaN", { ...key, expiresAtMs: Number.NaN }],
    ["a revocation that is a text", { ...key, revokedAtMs: "2026-01-01T00:00:00Z" }],
  ])("(%s) could not be asked", async (_name, found) => {
    const of = hmac({ keys: { find: () => found as SigningKey }, nonces: memoryNonceStore(), audience });
    await expect(async () => of.open(signed(), call())).rejects.toThrow(/^the key source answered nonsense/);
  });
});

describe("a running call", () => {
  const recheckOf = async (later: unknown) => {
    let found: unknown = key;
    const of = hmac({ keys: { find: () => found as SigningKey }, nonces: memoryNonceStore(), audience });
    const { recheck } = await of.open(signed(), call());
    found = later;
    return async (at = nowMs) => await recheck?.(at);
  };
  test("goes on with the client and the scopes of now, and with a copy of its secret", async () => {
    const later = { ...key, client: "renamed", scopes: new Set(["a"]), secret: signingSecret(vector.secret) };
    const finding = await (await recheckOf(later))();
    expect(finding).toEqual({ verdict: "verified", client: "renamed", scopes: new Set(["a"]) });
  });
  test.each<[string, unknown]>([
    ["deleted", undefined],
    ["revoked", { ...key, revokedAtMs: nowMs }],
    ["expired", { ...key, expiresAtMs: nowMs }],
    ["given another secret", { ...key, secret: signingSecret(newSigningKey().secret) }],
    ["moved to another service", { ...key, audience: "https://order.production.internal" }],
  ])("ends when its key is %s", async (_name, later) => {
    expect(await (await recheckOf(later))()).toMatchObject({ reason: Reason.CREDENTIAL_INVALID });
  });
  test("cannot be judged by a source that answers nonsense", async () => {
    await expect((await recheckOf({ ...key, id: "x" }))()).rejects.toThrow(/nonsense/);
  });
});
