import { createHmac } from "node:crypto";
import { Metadata } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { Credential, Reason } from "../gen/zerotrust/auth/v1/policy_pb.ts";
import type { CallFacts } from "../verifier.ts";
import { hmac as present } from "./client.ts";
import { signingSecret } from "./keys.ts";
import { memoryNonceStore } from "./nonces.ts";
import { hmac } from "./server.ts";
import { signedHead } from "./string-to-sign.ts";

const vector = {
  keyId: "hk-vector00",
  secret: "hs-AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
  path: "/payment.v1.PaymentService/GetPayment",
  timestamp: "1795000000",
  nonce: "00112233445566778899aabbccddeeff",
  message: Buffer.from("0a057061795f31", "hex"),
  signature: "f02e690906234e616bd31831ea73be3067df7ce79bb43e34408effcd91324230",
};
const nowMs = Number(vector.timestamp) * 1000;
const audience = "https://payment.production.internal";
const key = {
  id: vector.keyId,
  client: "order-service",
  audience,
  scopes: new Set(["read"]),
  secret: signingSecret(vector.secret),
};
const call = (at = nowMs): CallFacts => ({
  path: vector.path,
  peer: {
    spiffeId: "spiffe://production.internal/order-service",
    trustDomain: "production.internal",
    thumbprint: "t",
    serialNumber: "1",
    notAfterMs: nowMs * 2,
  },
  nowMs: at,
  named: new Set([Credential.HMAC]),
});
const verifier = (found: typeof key | undefined = key) =>
  hmac({
    keys: { find: (id) => (id === found?.id ? found : undefined) },
    nonces: memoryNonceStore({ now: () => nowMs - 3_600_000 }),
    audience,
  });

function signed(changes: Record<string, string | undefined> = {}): Metadata {
  const metadata = new Metadata();
  const values = {
    "x-api-key": vector.keyId,
    "x-timestamp": vector.timestamp,
    "x-nonce": vector.nonce,
    "x-signature": vector.signature,
    ...changes,
  };
  for (const [name, value] of Object.entries(values)) if (value !== undefined) metadata.set(name, value);
  return metadata;
}

async function verdict(metadata: Metadata, message: Uint8Array = vector.message, at = nowMs, of = verifier()) {
  const { finding, signature } = await of.open(metadata, call(at));
  if (signature === undefined) return finding;
  const checked = signature.check(message);
  return checked.verdict === "verified" ? ((await signature.claim()) ?? checked) : checked;
}

test("agrees with the published vector", () => {
  const mac = createHmac("sha256", Buffer.from(vector.secret, "ascii"))
    .update(signedHead(vector))
    .update(vector.message);
  expect(mac.digest("hex")).toBe(vector.signature);
});
test("verifies the published vector, once", async () => {
  const of = verifier();
  expect(await verdict(signed(), vector.message, nowMs, of)).toMatchObject({
    verdict: "verified",
    client: "order-service",
  });
  expect(await verdict(signed(), vector.message, nowMs, of)).toMatchObject({ reason: Reason.CREDENTIAL_REPLAYED });
});
test("verifies what our client signs", async () => {
  const presenter = present({ keyId: vector.keyId, secret: vector.secret, now: () => nowMs });
  const values = await presenter.present({ path: vector.path, message: async () => vector.message });
  expect(await verdict(signed(values))).toMatchObject({ verdict: "verified" });
});

describe("refuses", () => {
  test("any flipped bit of the message", async () => {
    for (let bit = 0; bit < vector.message.length * 8; bit += 1) {
      const message = Buffer.from(vector.message);
      message[bit >> 3] = (message[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(await verdict(signed(), message)).toMatchObject({ reason: Reason.CREDENTIAL_INVALID });
    }
  });
  test.each([
    ["another nonce", { "x-nonce": "ff112233445566778899aabbccddeeff" }],
    ["another timestamp in the window", { "x-timestamp": "1794999999" }],
    ["an unknown key id", { "x-api-key": "hk-unknown00" }],
    ["a short signature", { "x-signature": vector.signature.slice(2) }],
    ["an upper-case signature", { "x-signature": vector.signature.toUpperCase() }],
    ["a base64 signature", { "x-signature": Buffer.from(vector.signature, "hex").toString("base64") }],
    ["a missing nonce", { "x-nonce": undefined }],
    ["a nonce that is too short", { "x-nonce": "00" }],
    ["two values in one", { "x-nonce": `${vector.nonce}, ${vector.nonce}` }],
    ["a negative timestamp", { "x-timestamp": "-795000000" }],
    ["a timestamp in milliseconds", { "x-timestamp": "1795000000000" }],
    ["an API key as key id", { "x-api-key": "sk-live-aaaaaaaaaaaa-x" }],
  ])("%s", async (_name, changes) => {
    const finding = await verdict(signed(changes));
    expect(finding).toMatchObject({ verdict: "invalid", reason: Reason.CREDENTIAL_INVALID });
    expect(JSON.stringify(finding)).not.toContain("sk-live");
  });
  test("a signature for another method", async () => {
    const { signature } = await verifier().open(signed(), {
      ...call(),
      path: "/payment.v1.PaymentService/CapturePayment",
    });
    expect(signature?.check(vector.message)).toMatchObject({ reason: Reason.CREDENTIAL_INVALID });
  });
  test("a key for another service, and a key that has expired", async () => {
    expect(
      await verdict(
        signed(),
        vector.message,
        nowMs,
        verifier({ ...key, audience: "https://order.production.internal" }),
      ),
    ).toMatchObject({ reason: Reason.CREDENTIAL_INVALID });
    const expired = { ...key, expiresAtMs: nowMs };
    expect(await verdict(signed(), vector.message, nowMs, verifier(expired))).toMatchObject({
      reason: Reason.CREDENTIAL_INVALID,
    });
  });
});

test.each([
  [0, "verified"],
  [300, "verified"],
  [301, "invalid"],
  [-5, "verified"],
  [-6, "invalid"],
])("a timestamp that is %i s old is %s", async (age, expected) => {
  const finding = await verdict(signed(), vector.message, nowMs + age * 1000);
  const expired = { verdict: "invalid", reason: Reason.CREDENTIAL_EXPIRED };
  expect(finding).toMatchObject(expected === "invalid" ? expired : { verdict: expected });
});
test("a wrong signature does not use up the victim's nonce", async () => {
  const of = verifier();
  expect(await verdict(signed({ "x-signature": "0".repeat(64) }), vector.message, nowMs, of)).toMatchObject({
    verdict: "invalid",
  });
  expect(await verdict(signed(), vector.message, nowMs, of)).toMatchObject({ verdict: "verified" });
});
