import { createHmac } from "node:crypto";
import { Metadata } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { newApiKey, newSigningKey } from "../src/issue.ts";
import { apiKey, type CallFacts, hmac, signingSecret } from "../src/server.ts";
import { apiKeysIn, type KeyRow, sharedNonces } from "./own-stores.ts";

const audience = "https://payment.production.internal";
const peer = {
  spiffeId: "spiffe://production.internal/reporting",
  trustDomain: "production.internal",
  thumbprint: "",
  serialNumber: "",
  notAfterMs: 0,
};
const call = (): CallFacts => ({ path: "/a.v1.A/B", peer, nowMs: Date.now(), named: new Set() });

test("a key in a database is good until it is revoked there", async () => {
  const { key, id, sha256 } = newApiKey("live");
  const row = { id, client: "reporting", audience, scopes: ["greet"], digests: [sha256] };
  let stored: KeyRow = { ...row, revokedAt: null };
  const database = { keyById: async (asked: string) => (asked === id ? stored : undefined) };
  const verifier = apiKey({ keys: apiKeysIn(database), audience });
  const metadata = new Metadata();
  metadata.set("x-api-key", key.expose());
  const { finding, recheck } = await verifier.verify(metadata, call());
  expect(finding).toMatchObject({ verdict: "verified", client: "reporting" });

  stored = { ...row, revokedAt: new Date(Date.now() - 1) };
  const revoked = { verdict: "invalid", cause: "the API key is revoked" };
  expect(await recheck?.(Date.now())).toMatchObject(revoked);
  expect((await verifier.verify(metadata, call())).finding).toMatchObject(revoked);
});

test("a request that one process has served is refused by the other", async () => {
  const remembered = new Set<string>();
  const nonces = sharedNonces({
    async setOnce(key, seconds) {
      expect(seconds).toBeGreaterThan(305);
      return !remembered.has(key) && remembered.add(key).has(key);
    },
  });
  const { id, secret } = newSigningKey();
  const key = { id, client: "reporting", audience, scopes: new Set<string>(), secret: signingSecret(secret) };
  const metadata = new Metadata();
  const [timestamp, nonce] = [String(Math.floor(Date.now() / 1000)), "00112233445566778899aabbccddeeff"];
  const head = `POST\n${call().path}\n${timestamp}\n${nonce}\n`;
  metadata.set("x-api-key", id);
  metadata.set("x-timestamp", timestamp);
  metadata.set("x-nonce", nonce);
  metadata.set("x-signature", createHmac("sha256", secret.expose()).update(`${head}message`).digest("hex"));

  const served = async () => {
    const { signature } = await hmac({ keys: { find: () => key }, nonces, audience }).open(metadata, call());
    expect(signature?.check(Buffer.from("message"))).toMatchObject({ verdict: "verified" });
    return await signature?.claim();
  };
  expect(await served()).toBeUndefined();
  expect(await served()).toMatchObject({ cause: "the nonce was used before" });
});
