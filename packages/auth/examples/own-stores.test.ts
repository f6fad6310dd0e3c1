import { Metadata } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { newApiKey } from "../src/issue.ts";
import { apiKey, type CallFacts } from "../src/server.ts";
import { apiKeysIn, type KeyRow } from "./own-stores.ts";

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
