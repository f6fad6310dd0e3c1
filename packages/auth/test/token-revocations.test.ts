import { createCa, createTokenIssuer, type TestCa } from "@zero-trust/testkit";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { bearer } from "../src/bearer/server.ts";
import { type TokenRevocationsOptions, tokenRevocations } from "../src/bearer/token-revocations.ts";
import { type IssuerServer, json, startIssuerServer } from "./issuer-server.ts";
import { knownKeys } from "./known-keys.ts";
import { presentToken, thumbprint } from "./present-token.ts";

let ca: TestCa;
beforeAll(async () => {
  ca = await createCa();
});
const nothing = { tokens: [], clients: [] };
const nowSeconds = 1_795_000_000;
const revokedToken = { ...nothing, tokens: [{ jti: "bad", exp: nowSeconds + 300 }] };

function open(issuer: IssuerServer, options: Partial<TokenRevocationsOptions> = {}) {
  const errors: string[] = [];
  const { url, agent } = issuer;
  const list = tokenRevocations({
    url,
    agent,
    refreshMs: 20,
    onError: (error) => errors.push(error.message),
    ...options,
  });
  const ask = (jti: string, client = "storefront", issuedAtSeconds = nowSeconds) => {
    try {
      return list.isRevoked({ jti, client, issuedAtSeconds }) ? "revoked" : "good";
    } catch (error) {
      return (error as Error).name;
    }
  };
  return { list, errors, ask, [Symbol.dispose]: () => list.close() };
}

/** However busy the machine is. */
const inTime = { timeout: 10_000 };

describe("tokenRevocations", () => {
  test("knows a token by its id, and a client's by when they were issued", async () => {
    await using issuer = await startIssuerServer(ca);
    issuer.answer = json({ ...revokedToken, clients: [{ client_id: "partner", before: nowSeconds }] });
    using opened = open(issuer);
    await vi.waitFor(() => expect(opened.list.isReady()).toBe(true), inTime);
    expect([opened.ask("bad"), opened.ask("other"), opened.ask("__proto__")]).toEqual(["revoked", "good", "good"]);
    expect(opened.ask("other", "partner", nowSeconds - 1)).toBe("revoked");
    expect(opened.ask("other", "partner", nowSeconds)).toBe("revoked");
    // A NumericDate may have a fraction (RFC 7519 §2), which "before" in whole seconds does not know of.
    expect(opened.ask("other", "partner", nowSeconds + 0.9)).toBe("revoked");
    expect(opened.ask("other", "partner", nowSeconds + 1)).toBe("good");
    expect(opened.ask("other", "partner", Number.NaN)).toBe("revoked");
  });
  test("B22 a token that was let in and remembered is refused after the next reading, and its call ends", async () => {
    await using issuer = await startIssuerServer(ca);
    issuer.answer = json({}, 503);
    using opened = open(issuer);
    const tokens = await createTokenIssuer({ issuer: "https://issuer.production.internal" });
    const audience = "https://order.production.internal";
    const keys = await knownKeys(tokens.jwks);
    const verifier = bearer({ issuer: tokens.issuer, audience, keys, revocations: opened.list });
    const claims = { aud: audience, sub: "a", client_id: "a", cnf: { "x5t#S256": thumbprint } };
    const token = `Bearer ${await tokens.sign({ ...claims, jti: "bad" })}`;
    const show = () => presentToken(verifier, token, { nowMs: Date.now() });
    expect((await show()).finding.verdict).toBe("unavailable");
    issuer.answer = json(nothing);
    await vi.waitFor(() => expect(opened.list.isReady()).toBe(true), inTime);
    const { finding, recheck } = await show();
    expect(finding.verdict).toBe("verified");
    issuer.answer = json(revokedToken);
    await vi.waitFor(async () => expect((await show()).finding.verdict).toBe("invalid"), inTime);
    expect(recheck?.(Date.now())).toMatchObject({ verdict: "invalid" });
  });
  test("cannot tell before it has read the list, nor after an outage that is too long", async () => {
    await using issuer = await startIssuerServer(ca);
    issuer.answer = json({}, 404);
    let nowMs = 0;
    using opened = open(issuer, { now: () => nowMs });
    expect([opened.ask("good"), opened.list.isReady()]).toEqual(["RevocationsUnavailable", false]);
    issuer.answer = json(revokedToken);
    await vi.waitFor(() => expect(opened.ask("good")).toBe("good"), inTime);
    issuer.answer = json({}, 500);
    await vi.waitFor(() => expect(opened.errors).toContainEqual(expect.stringMatching(/status 500/)), inTime);
    nowMs = 3_599_000;
    expect([opened.ask("good"), opened.ask("bad")]).toEqual(["good", "revoked"]);
    nowMs = 3_605_000;
    expect([opened.ask("good"), opened.list.isReady()]).toEqual(["RevocationsUnavailable", false]);
  });
  test.each([
    ["a key that it does not know", json({ ...nothing, keys: [] }), /unknown key "keys"/],
    ["an entry that is none", json({ ...nothing, tokens: [{ jti: 1, exp: 1 }] }), /no text "jti"/],
    ["an empty object", json({}), /no list "tokens"/],
    ["more than a mebibyte", (_req, res) => res.end(Buffer.alloc(1024 * 1024 + 1, " ")), /larger than 1048576/],
    ["a redirect", (_req, res) => res.writeHead(307, { location: "/" }).end("{}"), /status 307/],
  ] as [string, IssuerServer["answer"], RegExp][])(
    "keeps the last good list when it reads %s",
    async (_name, answer, why) => {
      await using issuer = await startIssuerServer(ca);
      issuer.answer = json(revokedToken);
      using opened = open(issuer);
      await vi.waitFor(() => expect(opened.ask("bad")).toBe("revoked"), inTime);
      issuer.answer = answer;
      await vi.waitFor(() => expect(opened.errors).toContainEqual(expect.stringMatching(why)), inTime);
      expect([opened.ask("bad"), opened.ask("good")]).toEqual(["revoked", "good"]);
    },
  );
  test("takes a list of ten thousand tokens", async () => {
    await using issuer = await startIssuerServer(ca);
    const many = Array.from({ length: 10_000 }, (_, index) => ({
      jti: `${crypto.randomUUID()}-${index}`,
      exp: nowSeconds,
    }));
    issuer.answer = json({ ...nothing, tokens: many });
    using opened = open(issuer, { refreshMs: 10_000 });
    await vi.waitFor(() => expect(opened.list.isReady()).toBe(true), inTime);
    expect([opened.ask(many[9_999]?.jti ?? ""), opened.ask("good")]).toEqual(["revoked", "good"]);
  });
});
