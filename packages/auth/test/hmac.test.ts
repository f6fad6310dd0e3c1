import { identityFromMemory } from "@zero-trust/mtls";
import { createCa, createTokenIssuer, type TestCa } from "@zero-trust/testkit";
import { beforeAll, describe, expect, test } from "vitest";
import { connect, hmac as present, bearer as presentToken } from "../src/client.ts";
import { newSigningKey, type SigningKey, signingSecret } from "../src/hmac/keys.ts";
import { Credential, definePolicy } from "../src/index.ts";
import { newApiKey } from "../src/issue.ts";
import { apiKey, bearer, hmac, type MemoryNonceOptions, memoryNonceStore, type ProtectOptions } from "../src/server.ts";
import { knownKeys } from "./known-keys.ts";
import { ping, pingBytes, pingPath } from "./ping-client.ts";
import { idOf, pingDefinition, startPingServer } from "./ping-server.ts";

const { API_KEY, BEARER, HMAC } = Credential;
const audience = "https://ping.production.internal";
const scopes = new Set(["read:test"]);
const invalid = "UNAUTHENTICATED CREDENTIAL_INVALID";
const rule = (...credentials: Credential[]) => ({ credentials, scopes: ["read:test"] });
const tokens = await createTokenIssuer({ issuer: "https://issuer.production.internal" });
const jwks = await knownKeys(tokens.jwks);
const grants = { current: () => new Map() };

/** A client's signing key: what it holds, and what the server keeps. */
function issue(client: string, changes: Partial<SigningKey> = {}) {
  const { id, secret } = newSigningKey();
  const record = { id, client, audience, scopes, secret: signingSecret(secret), ...changes };
  const sign = (path = pingPath, message = pingBytes(), now = Date.now) =>
    present({ keyId: id, secret, now }).present({ path, message: async () => message });
  return { id, secret, record, sign };
}
const victim = issue("victim");
const attacker = issue("attacker");

let ca: TestCa;
beforeAll(async () => {
  ca = await createCa();
});

interface Changes extends Partial<ProtectOptions> {
  readonly keys?: readonly SigningKey[];
  readonly nonces?: MemoryNonceOptions;
  readonly rules?: readonly ReturnType<typeof rule>[];
}
async function start({
  keys = [victim.record, attacker.record],
  nonces,
  rules = [rule(HMAC)],
  ...others
}: Changes = {}) {
  const known = new Map(keys.map((key) => [key.id, key]));
  const store = memoryNonceStore({ now: () => Date.now() - 60_000, ...nonces });
  const find = (id: string) => known.get(id);
  const policies = [
    definePolicy(pingDefinition, { Ping: rules, PingMany: rules, PingSum: [rule(BEARER)], PingEach: [rule(BEARER)] }),
  ];
  const credentials = [
    hmac({ keys: { find }, nonces: store, audience }),
    bearer({ issuer: tokens.issuer, audience, keys: jwks }),
    apiKey({ keys: { find: () => undefined }, audience }),
  ];
  const server = await startPingServer(ca, { policies, grants, credentials, ...others });
  const channels = await server.channels("caller");
  return {
    server,
    channels,
    store,
    call: async (metadata: Awaited<ReturnType<typeof victim.sign>>) => ping(channels, { metadata }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

describe("on the wire", () => {
  test("H1: a signed call with another message, path, time, nonce, key id or signature is refused, and the call itself is served after that", async () => {
    await using started = await start();
    const metadata = await victim.sign();
    const other = await victim.sign();
    const changes = [
      { "x-api-key": attacker.id },
      { "x-nonce": other["x-nonce"] ?? "" },
      { "x-signature": other["x-signature"] ?? "" },
      { "x-timestamp": String(Number(metadata["x-timestamp"]) - 1) },
    ];
    for (const change of changes) expect(await started.call({ ...metadata, ...change })).toBe(invalid);
    const message = pingBytes({ text: "another" });
    expect(await ping(started.channels, { metadata, message })).toBe(invalid);
    expect([started.server.handled, started.store.size]).toEqual([[], 0]);
    expect(await started.call(metadata)).toBe("OK");
  });
  test("H2: the same bytes again are a replay, and after a restart cannot be checked", async () => {
    const metadata = await victim.sign();
    const ahead = await victim.sign(pingPath, pingBytes(), () => Date.now() + 4_000);
    await using started = await start();
    for (const signed of [metadata, ahead]) {
      expect([await started.call(signed), await started.call(signed)]).toEqual([
        "OK",
        "UNAUTHENTICATED CREDENTIAL_REPLAYED",
      ]);
    }
    await using restarted = await start({ nonces: { now: Date.now } });
    for (const signed of [metadata, ahead]) expect(await restarted.call(signed)).toBe("UNAVAILABLE CHECK_UNAVAILABLE");
    expect(restarted.server.handled).toEqual([]);
  });
  test("H4: a victim's nonce with a bad signature, or under another key, is no harm to the victim", async () => {
    await using started = await start();
    const metadata = await victim.sign();
    const mine = await attacker.sign();
    expect(await started.call({ ...metadata, "x-signature": "0".repeat(64) })).toBe(invalid);
    expect(await started.call({ ...mine, "x-nonce": metadata["x-nonce"] ?? "" })).toBe(invalid);
    expect(await started.call(metadata)).toBe("OK");
  });
  test("H6: a signature for one method is none for another", async () => {
    await using started = await start();
    expect(await started.call(await victim.sign(pingPath.replace(/Ping$/, "PingMany")))).toBe(invalid);
  });
  test("H7, H8: values out of their grammar, and several values of a key, are refused", async () => {
    await using started = await start();
    const metadata = await victim.sign();
    for (const [name, value] of Object.entries(metadata)) {
      for (const wrong of [[value, value], `${value}, ${value}`, `${value} x`, "", value.slice(1)]) {
        const outcome = await ping(started.channels, { metadata: { ...metadata, [name]: wrong } });
        expect([name, outcome]).toEqual([name, invalid]);
      }
    }
    expect(await started.call(metadata)).toBe("OK");
  });
  test("H9: an unsigned call and one with a part of a signature are refused, and so is a retired key", async () => {
    await using started = await start({ keys: [victim.record, { ...attacker.record, revokedAtMs: Date.now() }] });
    expect(await ping(started.channels)).toBe("UNAUTHENTICATED CREDENTIAL_MISSING");
    for (const [name, value] of Object.entries(await victim.sign())) {
      expect(await ping(started.channels, { metadata: { [name]: value } })).toBe(invalid);
    }
    expect([await started.call(await attacker.sign()), await started.call(await victim.sign())]).toEqual([
      invalid,
      "OK",
    ]);
  });
  test("H10: a signature of one client and a token of another do not go together", async () => {
    await using started = await start({ rules: [rule(HMAC, BEARER)] });
    const material = await ca.issue({ spiffeId: idOf("caller") });
    const channels = await started.server.channels("caller", material);
    const call = async (client: string, signer: typeof victim) => {
      const cnf = { "x5t#S256": identityFromMemory(material).thumbprint };
      const token = () => tokens.sign({ aud: audience, sub: client, client_id: client, scope: "read:test", cnf });
      const both = [presentToken({ tokens: { token } }), present({ keyId: signer.id, secret: signer.secret })];
      return ping(connect({ channels, credentials: both }));
    };
    expect(await call("victim", victim)).toBe("OK");
    expect(await call("victim", attacker)).toBe("UNAUTHENTICATED CLIENT_MISMATCH");
  });
  test("H10: a key for another audience is refused", async () => {
    await using started = await start({ keys: [{ ...victim.record, audience: "https://order.production.internal" }] });
    expect(await started.call(await victim.sign())).toBe(invalid);
  });
  test("H10: an API key as key id is refused and never logged, also where a rule takes API keys", async () => {
    const key = newApiKey("live").key.expose();
    for (const rules of [[rule(HMAC)], [rule(HMAC), rule(API_KEY)]]) {
      await using started = await start({ rules });
      expect(await started.call({ ...(await victim.sign()), "x-api-key": key })).toBe(invalid);
      const secret = key.slice(-51);
      expect(JSON.stringify(started.server.events)).not.toContain(secret);
    }
  });
  test("H11: a client that floods is limited, and the others are served", async () => {
    await using started = await start({ nonces: { maxNonces: 8, maxNoncesPerKey: 3 } });
    const outcomes: string[] = [];
    for (let times = 0; times < 5; times += 1) outcomes.push(await started.call(await attacker.sign()));
    expect(outcomes).toEqual(["OK", "OK", "OK", ...Array<string>(2).fill("RESOURCE_EXHAUSTED RATE_LIMITED")]);
    expect([await started.call(await victim.sign()), started.store.size]).toEqual(["OK", 4]);
  });
  test("H12: where the nonce store is full nobody is let in, and what was let in before is still a replay", async () => {
    await using started = await start({ nonces: { maxNonces: 2, maxNoncesPerKey: 2 } });
    const first = await victim.sign();
    expect([await started.call(first), await started.call(await victim.sign())]).toEqual(["OK", "OK"]);
    expect(await started.call(await attacker.sign())).toBe("UNAVAILABLE CHECK_UNAVAILABLE");
    expect(await started.call(first)).toBe("UNAUTHENTICATED CREDENTIAL_REPLAYED");
  });
});
