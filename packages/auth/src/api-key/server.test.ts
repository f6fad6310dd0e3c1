import * as crypto from "node:crypto";
import { crc32 } from "node:zlib";
import { Metadata } from "@grpc/grpc-js";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { Credential, Reason } from "../gen/zerotrust/auth/v1/policy_pb.ts";
import type { CallFacts, Verification } from "../verifier.ts";
import { apiKeyPattern, hashApiKey, newApiKey } from "./format.ts";
import { type ApiKeyRecord, type ApiKeySource, parseApiKeys } from "./records.ts";
import { type ApiKeyOptions, apiKey } from "./server.ts";
import type { ApiKeyUse } from "./use-sampler.ts";

vi.mock("node:crypto", { spy: true });

const nowMs = 1_795_000_000_000;
const audience = "https://payment.production.internal";
const spiffeId = "spiffe://production.internal/reporting";
const issued = newApiKey("live");
const key = issued.key.expose();
const record: ApiKeyRecord = {
  id: issued.id,
  client: "reporting",
  audience,
  scopes: new Set(["read:transactions"]),
  secrets: [{ sha256: issued.sha256 }],
};
const malformed = { verdict: "invalid", reason: Reason.CREDENTIAL_INVALID };
const callAt = (at = nowMs): CallFacts => ({
  path: "/payment.v1.PaymentService/ListTransactions",
  peer: { spiffeId, trustDomain: "production.internal", thumbprint: "t", serialNumber: "1", notAfterMs: nowMs * 2 },
  nowMs: at,
  named: new Set([Credential.API_KEY]),
});

/** The same id and a good checksum, over another secret. */
function withAnotherSecret(text: string): string {
  const body = `${text.slice(0, -51)}${"A".repeat(43)}`;
  return body + crc32(body).toString(16).padStart(8, "0");
}

function show(
  text: string | readonly string[],
  found: unknown,
  options: Partial<ApiKeyOptions> & { at?: number } = {},
) {
  const metadata = new Metadata();
  for (const value of [text].flat()) metadata.add("x-api-key", value);
  const find = vi.fn<ApiKeySource["find"]>(() => found as ApiKeyRecord);
  const { at, ...others } = options;
  const verifier = apiKey({ keys: { find }, audience, ...others });
  const verified = (async () => await verifier.verify(metadata, callAt(at)))();
  return { find, verified };
}
const finding = async (text: string | readonly string[], found: unknown, at?: number) =>
  (await show(text, found, at === undefined ? {} : { at }).verified).finding;

beforeEach(() => {
  vi.clearAllMocks();
});

describe("an API key", () => {
  test("that is known is its client", async () => {
    const { find, verified } = show(key, record);
    expect(await verified).toMatchObject({ id: issued.id, finding: { verdict: "verified", client: "reporting" } });
    expect(find.mock.calls).toEqual([[issued.id]]);
  });
  test.each([
    ["empty", ""],
    ["malformed", "sk-live-x"],
    ["with a typo", key.slice(0, -1) + (key.endsWith("0") ? "1" : "0")],
    ["an id of a signing key", "hk-aaaaaaaa"],
    ["with white space around it", `${key} `],
    ["as bytes would be written", key.toUpperCase()],
  ])("K1: %s is refused, and the store is not asked", async (_name, text) => {
    const { find, verified } = show(text, record);
    expect((await verified).finding).toMatchObject(malformed);
    expect(find).not.toHaveBeenCalled();
  });
  test("K3: of the other mode is refused either way, and the store is not asked", async () => {
    for (const [mode, shown] of [["live", newApiKey("test")] as const, ["test", issued] as const]) {
      const { find, verified } = show(shown.key.expose(), record, { mode });
      expect((await verified).finding).toMatchObject(malformed);
      expect(find).not.toHaveBeenCalled();
    }
  });
  test("K3: of the test mode is let in where test keys are taken", async () => {
    const test = newApiKey("test");
    const known = { ...record, id: test.id, secrets: [{ sha256: test.sha256 }] };
    expect((await show(test.key.expose(), known, { mode: "test" }).verified).finding).toMatchObject({
      verdict: "verified",
    });
  });
  test("K4: with workloads is good for those alone", async () => {
    expect(await finding(key, { ...record, workloads: new Set([spiffeId]) })).toMatchObject({ verdict: "verified" });
    for (const workloads of [new Set<string>(), new Set([`${spiffeId}2`])]) {
      expect(await finding(key, { ...record, workloads })).toMatchObject(malformed);
    }
  });
  test("K6: next to another one is refused, and the store is not asked", async () => {
    const { find, verified } = show([key, key], record);
    expect((await verified).finding).toMatchObject(malformed);
    expect((await show(`${key}, ${key}`, record).verified).finding).toMatchObject(malformed);
    expect(find).not.toHaveBeenCalled();
  });
  test("for another audience is refused", async () => {
    expect(await finding(key, { ...record, audience: "https://order.production.internal" })).toMatchObject(malformed);
  });
  test.each(["revokedAtMs", "expiresAtMs"] as const)("is good until %s, to the millisecond", async (at) => {
    expect(await finding(key, { ...record, [at]: nowMs + 1 })).toMatchObject({ verdict: "verified" });
    expect(await finding(key, { ...record, [at]: nowMs })).toMatchObject(malformed);
  });
  test("K11: in rotation is good with either secret, each until its own end", async () => {
    const fresh = newApiKey("live");
    const other = withAnotherSecret(key);
    const secrets = [
      { sha256: hashApiKey(other).toString("hex"), expiresAtMs: nowMs + 60_000 },
      { sha256: issued.sha256 },
    ];
    const rotating = { ...record, secrets };
    expect([await finding(key, rotating), await finding(other, rotating)]).toMatchObject([
      { verdict: "verified" },
      { verdict: "verified" },
    ]);
    expect(await finding(other, rotating, nowMs + 59_999)).toMatchObject({ verdict: "verified" });
    expect(await finding(other, rotating, nowMs + 60_000)).toMatchObject(malformed);
    expect(await finding(key, rotating, nowMs + 60_000)).toMatchObject({ verdict: "verified" });
    expect(await finding(fresh.key.expose(), { ...rotating, id: fresh.id })).toMatchObject(malformed);
  });
  test("K7: cannot be had from the file", async () => {
    const { id, client, scopes, secrets } = record;
    const file = JSON.stringify({ keys: [{ id, client, audience, scopes: [...scopes], secrets }] });
    const known = parseApiKeys(JSON.parse(file)).get(id);
    expect(await finding(key, known)).toMatchObject({ verdict: "verified" });
    const [, , , secret = ""] = apiKeyPattern.exec(key) ?? [];
    expect(file).not.toContain(secret);
    for (const stolen of [issued.sha256, `sk-live-${id}-${issued.sha256.slice(0, 51)}`]) {
      expect(await finding(stolen, known)).toMatchObject(malformed);
    }
  });
  test("is judged by no clock that is broken", async () => {
    for (const ends of [{ expiresAtMs: nowMs }, { revokedAtMs: nowMs }]) {
      expect(await finding(key, { ...record, ...ends }, Number.NaN)).toMatchObject(malformed);
    }
    const secrets = [{ sha256: issued.sha256, expiresAtMs: nowMs }];
    expect(await finding(key, { ...record, secrets }, Number.NaN)).toMatchObject(malformed);
  });
});

test("K2, K12: unknown, wrong, revoked, expired and foreign keys cost one digest and two comparisons, and get one answer", async () => {
  const wrong = withAnotherSecret(key);
  const two = [...record.secrets, { sha256: "00".repeat(32) }];
  const refusals: Record<string, [string, ApiKeyRecord | undefined]> = {
    unknown: [key, undefined],
    wrong: [wrong, record],
    "wrong in rotation": [wrong, { ...record, secrets: two }],
    revoked: [key, { ...record, revokedAtMs: nowMs }],
    expired: [key, { ...record, expiresAtMs: nowMs }],
    "secret expired": [key, { ...record, secrets: [{ sha256: issued.sha256, expiresAtMs: nowMs }] }],
    "for another service": [key, { ...record, audience: "https://order.production.internal" }],
    "for another workload": [key, { ...record, workloads: new Set() }],
    "revoked in rotation": [key, { ...record, secrets: two, revokedAtMs: nowMs }],
  };
  for (const [name, [text, found]] of Object.entries(refusals)) {
    vi.clearAllMocks();
    const answer = await finding(text, found);
    expect({ name, ...answer }).toEqual({ name, ...malformed, cause: expect.any(String) });
    const work = [vi.mocked(crypto.createHash).mock.calls.length, vi.mocked(crypto.timingSafeEqual).mock.calls.length];
    expect([name, ...work]).toEqual([name, 1, 2]);
  }
});

describe("a source that answers nonsense", () => {
  const [secret] = record.secrets;
  test.each<[string, unknown]>([
    ["null", null],
    ["a text", "yes"],
    ["a record of another id", { ...record, id: "a".repeat(12) }],
    ["no client", { ...record, client: undefined }],
    ["a client out of its grammar", { ...record, client: "Reporting\n" }],
    ["no audience", { ...record, audience: "" }],
    ["scopes that are a list", { ...record, scopes: ["read:transactions"] }],
    ["scopes that are no texts", { ...record, scopes: new Set([1]) }],
    ["workloads that are a list", { ...record, workloads: [spiffeId] }],
    ["workloads that are null", { ...record, workloads: null }],
    ["no secrets", { ...record, secrets: undefined }],
    ["no secret", { ...record, secrets: [] }],
    ["three secrets", { ...record, secrets: [secret, secret, secret] }],
    ["secrets that are no list", { ...record, secrets: { 0: secret, length: 1 } }],
    ["a secret that is null", { ...record, secrets: [null] }],
    ["a short digest", { ...record, secrets: [{ sha256: issued.sha256.slice(2) }] }],
    ["a digest that is not hexadecimal", { ...record, secrets: [{ sha256: "zz".repeat(32) }] }],
    ["a digest in bytes", { ...record, secrets: [{ sha256: Buffer.from(issued.sha256, "hex") }] }],
    ["a secret that ends never, or always", { ...record, secrets: [{ ...secret, expiresAtMs: Number.NaN }] }],
    ["an end that is NaN", { ...record, expiresAtMs: Number.NaN }],
    ["an end that is a text", { ...record, expiresAtMs: "2099-01-01" }],
    ["a revocation that is NaN", { ...record, revokedAtMs: Number.NaN }],
  ])("(%s) could not be asked", async (_name, found) => {
    await expect(show(key, found).verified).rejects.toThrow(/^the key source answered nonsense/);
  });
  test("is not quoted", async () => {
    const { verified } = show(key, { ...record, secrets: [{ sha256: key }] });
    await expect(verified).rejects.not.toThrow(key);
  });
});

describe("a running call", () => {
  const running = async (later: () => unknown) => {
    let found: unknown = record;
    const metadata = new Metadata();
    metadata.set("x-api-key", key);
    const keys = { find: () => found as ApiKeyRecord };
    const { recheck } = (await apiKey({ keys, audience }).verify(metadata, callAt())) as Required<Verification>;
    found = later();
    return async (at = nowMs) => recheck(at);
  };
  test("goes on with the client and the scopes of now", async () => {
    const recheck = await running(() => ({ ...record, client: "renamed", scopes: new Set(["a"]) }));
    expect(await recheck()).toEqual({ verdict: "verified", client: "renamed", scopes: new Set(["a"]) });
  });
  test.each<[string, unknown]>([
    ["deleted", undefined],
    ["revoked", { ...record, revokedAtMs: nowMs }],
    ["expired", { ...record, expiresAtMs: nowMs }],
    ["given another secret", { ...record, secrets: [{ sha256: "00".repeat(32) }] }],
    [
      "rotated away",
      { ...record, secrets: [{ sha256: issued.sha256, expiresAtMs: nowMs }, { sha256: "00".repeat(32) }] },
    ],
    ["moved to another service", { ...record, audience: "https://order.production.internal" }],
    ["taken from its workload", { ...record, workloads: new Set() }],
  ])("ends when its key is %s", async (_name, later) => {
    expect(await (await running(() => later))()).toMatchObject(malformed);
  });
  test("ends when its key ends by itself, to the millisecond", async () => {
    const recheck = await running(() => ({ ...record, expiresAtMs: nowMs + 10 }));
    expect([await recheck(nowMs + 9), await recheck(nowMs + 10)]).toMatchObject([{ verdict: "verified" }, malformed]);
  });
  test("cannot be judged by a source that answers nonsense", async () => {
    await expect((await running(() => ({ ...record, id: "x" })))()).rejects.toThrow(/nonsense/);
  });
  test("is not told of where the key was refused", async () => {
    expect((await show(withAnotherSecret(key), record).verified).recheck).toBeUndefined();
  });
});

describe("onUsed", () => {
  test("is told of good keys alone", async () => {
    const uses: ApiKeyUse[] = [];
    const onUsed = (use: ApiKeyUse) => uses.push(use);
    await show(withAnotherSecret(key), record, { onUsed }).verified;
    await show(key, { ...record, revokedAtMs: nowMs }, { onUsed }).verified;
    expect(uses).toEqual([]);
    await show(key, record, { onUsed }).verified;
    expect(uses).toEqual([{ id: issued.id, client: "reporting", atMs: nowMs }]);
  });
  test.each<[string, NonNullable<ApiKeyOptions["onUsed"]>]>([
    ["throws", () => expect.unreachable("canary")],
    ["rejects", async () => expect.unreachable("canary")],
    ["never answers", () => new Promise<void>(() => {})],
  ])("that %s touches no call", async (_name, onUsed) => {
    expect((await show(key, record, { onUsed }).verified).finding).toMatchObject({
      verdict: "verified",
    });
  });
});
