import { readFileSync } from "node:fs";
import { Metadata, status } from "@grpc/grpc-js";
import { describe, expect, test, vi } from "vitest";
import { apiKey as presentKey } from "../src/api-key/client.ts";
import { apiKeyPattern, hashApiKey, parseApiKey } from "../src/api-key/format.ts";
import type { Finding } from "../src/decision.ts";
import { hmac as sign } from "../src/hmac/client.ts";
import { signingSecret } from "../src/hmac/keys.ts";
import { Credential } from "../src/index.ts";
import { reasonName, refusal } from "../src/refusal.ts";
import { apiKey, hmac, memoryNonceStore } from "../src/server.ts";
import type { CallFacts } from "../src/verifier.ts";
import { idOf } from "./ping-server.ts";
import { apiKeyVectors } from "./vectors/api-key.ts";
import { bytesOf, hmacVectors, type Request } from "./vectors/hmac.ts";
import { vectorFiles } from "./vectors/write.ts";

/** The nonce that the client signs with next. */
let nextNonce = "";
vi.mock(import("../src/hmac/new-nonce.ts"), async (original) => {
  const { newNonce } = await original();
  return { newNonce: () => (nextNonce === "" ? newNonce() : nextNonce) };
});

test.each(vectorFiles)(
  "%s is what the vectors say; `node packages/auth/test/vectors/write.ts --write` writes it",
  (file, text) => {
    expect(readFileSync(file, "utf8")).toBe(text);
  },
);

const facts = (path: string, serverTime: number, credential: Credential): CallFacts => ({
  path,
  peer: {
    spiffeId: idOf("partner"),
    trustDomain: "production.internal",
    thumbprint: "t",
    serialNumber: "1",
    notAfterMs: Number.MAX_SAFE_INTEGER,
  },
  nowMs: serverTime * 1000,
  named: new Set([credential]),
});

/** As a caller would see it: `OK`, or code and reason. */
function outcomeOf(finding: Finding): string {
  if (finding.verdict === "verified") return "OK";
  if (finding.verdict !== "invalid") return finding.verdict;
  return `${status[refusal(finding.reason, 0).code]} ${reasonName(finding.reason)}`;
}

describe("hmac.json", () => {
  const { audience, requests } = hmacVectors;
  const records = new Map(
    hmacVectors.keys.map((key) => [
      key.id,
      {
        id: key.id,
        client: "partner",
        audience: key.audience,
        scopes: new Set<string>(),
        secret: signingSecret(key.secret),
        ...(key.revoked === true ? { revokedAtMs: 0 } : {}),
      },
    ]),
  );
  const newVerifier = () =>
    hmac({ keys: { find: (id) => records.get(id) }, nonces: memoryNonceStore({ now: () => 0 }), audience });

  async function verify({ path, metadata, message, serverTime }: Request, verifier = newVerifier()): Promise<string> {
    const headers = new Metadata();
    for (const [key, value] of Object.entries(metadata)) headers.set(key, value);
    const { finding, signature } = await verifier.open(headers, facts(path, serverTime, Credential.HMAC));
    if (signature === undefined) return outcomeOf(finding);
    const checked = signature.check(bytesOf(message));
    return outcomeOf(checked.verdict === "verified" ? ((await signature.claim()) ?? checked) : checked);
  }

  test("begins with the worked vector of the contract", () => {
    expect(requests[0]).toMatchObject({
      path: "/payment.v1.PaymentService/GetPayment",
      metadata: {
        "x-timestamp": "1795000000",
        "x-nonce": "00112233445566778899aabbccddeeff",
        "x-signature": "f02e690906234e616bd31831ea73be3067df7ce79bb43e34408effcd91324230",
      },
      message: { hex: "0a057061795f31" },
    });
    expect(hmacVectors.keys[0]?.secret).toBe("hs-AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
  });

  test("names each request once", () => {
    expect(new Set(requests.map(({ name }) => name)).size).toBe(requests.length);
  });

  test.each(requests)("our verifier: $name: $code", async (request) => {
    const verifier = newVerifier();
    const before = requests.filter(({ name }) => name === request.after);
    const outcomes = await Promise.all(before.map((earlier) => verify(earlier, verifier)));
    expect(outcomes).toEqual(request.after === undefined ? [] : ["OK"]);
    const { code, reason } = request;
    expect(await verify(request, verifier)).toBe(reason === undefined ? code : `${code} ${reason}`);
  });

  // Half a byte cannot be had: our client's nonces have an even number of digits.
  const signable = requests.filter(
    ({ code, metadata }) => code === "OK" && (metadata["x-nonce"] ?? "").length % 2 === 0,
  );
  test.each(signable)("our client: $name", async ({ path, metadata, message }) => {
    const { "x-api-key": keyId = "", "x-timestamp": timestamp, "x-nonce": nonce = "" } = metadata;
    const secret = hmacVectors.keys.find(({ id }) => id === keyId)?.secret ?? "";
    const presenter = sign({ keyId, secret, now: () => Number(timestamp) * 1000 });
    nextNonce = nonce;
    const presented = await presenter.present({ path, message: async () => bytesOf(message) });
    nextNonce = "";
    expect(presented).toEqual(metadata);
  });
});

describe("api-key.json", () => {
  const { audience, pattern, presented, records } = apiKeyVectors;
  const stored = new Map(
    records.map((record) => [
      record.id,
      {
        id: record.id,
        client: "reporting",
        audience: record.audience,
        scopes: new Set<string>(),
        secrets: [{ sha256: record.sha256 }],
        ...(record.revoked === true ? { revokedAtMs: 0 } : {}),
      },
    ]),
  );

  test("has the pattern that we publish", () => {
    expect(pattern).toBe(apiKeyPattern.source);
  });

  test.each(records)("$id: we read its parts, and store its hash", ({ id, key, sha256 }) => {
    expect(parseApiKey(key)).toEqual({ mode: "test", id });
    expect(hashApiKey(key).toString("hex")).toBe(sha256);
  });

  test.each(presented)("our verifier: $name: $code", async (vector) => {
    const metadata = new Metadata();
    metadata.set("x-api-key", vector.key);
    const verifier = apiKey({ keys: { find: (id) => stored.get(id) }, audience, mode: vector.mode });
    const { finding } = await verifier.verify(metadata, facts("/a.B/C", 1_795_000_000, Credential.API_KEY));
    expect(outcomeOf(finding)).toBe(vector.reason === undefined ? vector.code : `${vector.code} ${vector.reason}`);
  });

  const attempt = { path: "/a.B/C", message: async () => Buffer.alloc(0) };
  test.each(presented.filter(({ wellFormed }) => wellFormed))("our client sends: $name", async ({ key }) => {
    expect(await presentKey({ key }).present(attempt)).toEqual({ "x-api-key": key });
  });
  test.each(presented.filter(({ wellFormed }) => !wellFormed))("our client refuses to send: $name", ({ key }) => {
    expect(() => presentKey({ key })).toThrow(TypeError);
  });
});
