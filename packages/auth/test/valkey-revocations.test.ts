import { createTokenIssuer } from "@zero-trust/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { bearer } from "../src/bearer/server.ts";
import { publishRevocations, type ValkeyClient, valkeyClient, valkeyRevocations } from "../src/stores/valkey.ts";
import { knownKeys } from "./known-keys.ts";
import { presentToken, thumbprint } from "./present-token.ts";
import { hasValkey, startTestValkey, type TestValkey } from "./valkey.ts";

/** However busy the machine is. */
const inTime = { timeout: 20_000, interval: 10 };
const nowSeconds = 1_795_000_000;
const nothing = { tokens: [], clients: [] };
const revokedToken = { ...nothing, tokens: [{ jti: "bad", exp: nowSeconds + 300 }] };

describe.runIf(hasValkey)("revocations in Valkey", () => {
  let valkey: TestValkey;
  let verifier: ValkeyClient;
  let issuer: ValkeyClient;
  beforeAll(async () => {
    valkey = await startTestValkey({ settings: { "enable-debug-command": "yes" } });
    verifier = await valkey.connected();
    issuer = valkeyClient(valkey.publisherOptions());
    await vi.waitUntil(() => issuer.isReady(), inTime);
  });
  beforeEach(async () => void (await valkey.operate("FLUSHALL")));
  afterAll(async () => {
    issuer.close();
    await valkey[Symbol.asyncDispose]();
  });

  function open() {
    const revocations = valkeyRevocations({ client: verifier });
    onTestFinished(() => revocations.close());
    const ask = async (jti: string, client = "storefront", issuedAtSeconds = nowSeconds) => {
      try {
        return (await revocations.isRevoked({ jti, client, issuedAtSeconds })) ? "revoked" : "good";
      } catch (error) {
        return (error as Error).name;
      }
    };
    return { revocations, ask };
  }

  test("know a token by its id, and a client's by when they were issued", async () => {
    const { ask } = open();
    await publishRevocations(issuer, { ...revokedToken, clients: [{ client_id: "partner", before: nowSeconds }] });
    expect([await ask("bad"), await ask("other"), await ask("__proto__"), await ask("")]).toEqual([
      "revoked",
      "good",
      "good",
      "good",
    ]);
    expect(await ask("other", "partner", nowSeconds - 1)).toBe("revoked");
    expect(await ask("other", "partner", nowSeconds + 0.9)).toBe("revoked");
    expect(await ask("other", "partner", nowSeconds + 1)).toBe("good");
    expect(await ask("other", "partner", Number.NaN)).toBe("revoked");
  });
  test("are not known before somebody has published them, nor after whatever loses them", async () => {
    const { revocations, ask } = open();
    expect([await ask("good"), revocations.isReady()]).toEqual(["RevocationsUnavailable", false]);
    await publishRevocations(issuer, revokedToken);
    expect(await ask("good")).toBe("good");
    await vi.waitUntil(() => revocations.isReady(), inTime);
    // A restart with a dump of a moment before: the mark is another process's.
    await valkey.operate("SET", "zt:revoked:known", `${"0".repeat(40)}.${"0".repeat(40)}`);
    expect(await ask("good")).toBe("RevocationsUnavailable");
    await publishRevocations(issuer, nothing);
    expect(await ask("good")).toBe("good");
    await valkey.operate("FLUSHALL");
    expect(await ask("good")).toBe("RevocationsUnavailable");
    await vi.waitUntil(() => !revocations.isReady(), inTime);
  });
  test("are not known when nobody has published for a while, and no entry is gone before that", async () => {
    const { ask } = open();
    await publishRevocations(issuer, { ...revokedToken, clients: [{ client_id: "partner", before: nowSeconds }] });
    const life = async (key: string) => Number(await valkey.operate("PTTL", `zt:revoked:${key}`));
    const mark = await life("known");
    expect(mark).toBeGreaterThan(0);
    expect(mark).toBeLessThanOrEqual(10_000);
    expect(Math.min(await life("token:bad"), await life("client:partner"))).toBeGreaterThan(mark + 30_000);
    await valkey.operate("PEXPIRE", "zt:revoked:known", "1");
    await vi.waitFor(async () => expect(await ask("bad")).toBe("RevocationsUnavailable"), inTime);
  });
  test("are thousands, written in steps", async () => {
    const { ask } = open();
    const tokens = Array.from({ length: 3_001 }, (_, index) => ({ jti: `token-${index}`, exp: nowSeconds }));
    await publishRevocations(issuer, { ...nothing, tokens });
    expect([await ask("token-0"), await ask("token-3000"), await ask("token-3001")]).toEqual([
      "revoked",
      "revoked",
      "good",
    ]);
  });
  test("are not said to be all when the memory changed while they were written", async () => {
    const { ask } = open();
    let steps = 0;
    const interrupted: ValkeyClient = {
      ...issuer,
      async run(script, call) {
        steps += 1;
        // As after a failover: what was written before it may be lost.
        if (steps === 2) await valkey.operate("DEBUG", "CHANGE-REPL-ID");
        return await issuer.run(script, call);
      },
    };
    await expect(publishRevocations(interrupted, revokedToken)).rejects.toThrow("Valkey has lost what it was told");
    expect(await ask("good")).toBe("RevocationsUnavailable");
    await expect(publishRevocations(issuer, { tokens: [] })).rejects.toThrow('no list "clients"');
  });
  test("are read by those who verify, and written by nobody but the issuer", async () => {
    await expect(publishRevocations(verifier, nothing)).rejects.toThrow(/NOPERM|can't access/u);
  });
  test("B22 end a token that was let in and remembered, with its next call, and its running ones", async () => {
    const { revocations } = open();
    const tokens = await createTokenIssuer({ issuer: "https://issuer.production.internal" });
    const audience = "https://order.production.internal";
    const keys = await knownKeys(tokens.jwks);
    const accepting = bearer({ issuer: tokens.issuer, audience, keys, revocations });
    const claims = { aud: audience, sub: "a", client_id: "a", cnf: { "x5t#S256": thumbprint } };
    const token = `Bearer ${await tokens.sign({ ...claims, jti: "bad" })}`;
    const show = () => presentToken(accepting, token, { nowMs: Date.now() });
    expect((await show()).finding.verdict).toBe("unavailable");
    await publishRevocations(issuer, nothing);
    const { finding, recheck } = await show();
    expect([finding.verdict, await recheck?.(Date.now())]).toMatchObject(["verified", { verdict: "verified" }]);
    await publishRevocations(issuer, revokedToken);
    expect((await show()).finding.verdict).toBe("invalid");
    expect(await recheck?.(Date.now())).toMatchObject({ verdict: "invalid" });
    await valkey.operate("FLUSHALL");
    expect(await recheck?.(Date.now())).toMatchObject({ verdict: "unavailable" });
  });
});
