import { gzipSync } from "node:zlib";
import { createCa, createTokenIssuer, type TestCa } from "@zero-trust/testkit";
import { jwtVerify } from "jose";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { jwks } from "../src/bearer/jwks.ts";
import { type IssuerServer, json, startIssuerServer } from "./issuer-server.ts";

let ca: TestCa;
beforeAll(async () => {
  ca = await createCa();
});
const tokens = await createTokenIssuer({ issuer: "https://issuer.production.internal" });

function open(
  issuer: IssuerServer,
  options: { readonly refreshMs?: number; readonly outageMs?: number; readonly now?: () => number } = {},
) {
  const errors: string[] = [];
  const keys = jwks({
    url: issuer.url,
    agent: issuer.agent,
    onError: (error) => errors.push(error.message),
    ...options,
  });
  const verify = async (header: Record<string, unknown> = {}) =>
    jwtVerify(await tokens.sign({ sub: "x" }, header), keys.getKey).then(
      () => "good",
      (error: unknown) => (error as Error).constructor.name,
    );
  return { errors, keys, verify, [Symbol.dispose]: () => keys.close() };
}

describe("jwks", () => {
  test("reads the keys once for a thousand tokens", async () => {
    await using issuer = await startIssuerServer(ca);
    issuer.answer = json(tokens.jwks);
    using opened = open(issuer);
    const token = await tokens.sign({ sub: "x" });
    const results = await Promise.all(Array.from({ length: 1000 }, () => jwtVerify(token, opened.keys.getKey)));
    expect(results).toHaveLength(1000);
    expect(issuer.requests).toBe(1);
    expect(opened.keys.isReady()).toBe(true);
  });
  test("asks once more for an unknown kid, not for each of a hundred, whether the server is up or down", async () => {
    await using issuer = await startIssuerServer(ca);
    issuer.answer = json(tokens.jwks);
    let ahead = 0;
    using opened = open(issuer, { now: () => Date.now() + ahead });
    expect(await opened.verify()).toBe("good");
    ahead = 6_000;
    const made = await Promise.all(Array.from({ length: 100 }, (_, i) => tokens.sign({}, { kid: `made-up-${i}` })));
    const verdict = (token: string) =>
      jwtVerify(token, opened.keys.getKey).catch((error: unknown) => (error as Error).name);
    const many = () => Promise.all(made.map(verdict));
    expect(new Set(await many())).toEqual(new Set(["JWKSNoMatchingKey"]));
    expect(new Set(await many())).toEqual(new Set(["JWKSNoMatchingKey"]));
    expect(issuer.requests).toBe(2);
    issuer.answer = json({}, 500);
    ahead = 12_000;
    await many();
    expect(issuer.requests).toBe(3);
  });
  test("serves known keys through an outage for the stated time, then says that it cannot tell, then recovers", async () => {
    await using issuer = await startIssuerServer(ca);
    issuer.answer = json(tokens.jwks);
    let ahead = 0;
    using opened = open(issuer, { now: () => Date.now() + ahead, outageMs: 3_600_000 });
    expect(await opened.verify()).toBe("good");
    issuer.answer = json({}, 500);
    ahead = 3_599_000;
    expect(await opened.verify()).toBe("good");
    expect(await opened.verify({ kid: "new" })).toBe("KeysUnavailable");
    ahead = 3_607_000;
    expect(await opened.verify()).toBe("KeysUnavailable");
    expect(opened.keys.isReady()).toBe(false);
    issuer.answer = json(tokens.jwks);
    ahead = 3_620_000;
    expect(await opened.verify()).toBe("good");
  });
  test("drops a key that was withdrawn at the next refresh", async () => {
    await using issuer = await startIssuerServer(ca);
    const other = await createTokenIssuer({ issuer: tokens.issuer });
    issuer.answer = json({ keys: [...tokens.jwks.keys, ...other.jwks.keys] });
    using opened = open(issuer, { refreshMs: 20 });
    expect(await opened.verify()).toBe("good");
    issuer.answer = json(other.jwks);
    await vi.waitFor(async () => expect(await opened.verify()).toBe("JWKSNoMatchingKey"));
  });
  test.each([
    ["a redirect", (_req, res) => res.writeHead(302, { location: "https://evil.internal/" }).end("{}"), /status 302/],
    ["HTML", (_req, res) => res.end("<html>"), /without JSON/],
    ["an empty object", json({}), /no JWKS/],
    ["no keys", json({ keys: [] }), /no signing key/],
    ["a symmetric key", json({ keys: [{ kty: "oct", k: "AAAA", kid: "a" }] }), /no signing key/],
    ["a document without end", (_req, res) => res.end(Buffer.alloc(100_000, " ")), /larger than 65536/],
    [
      "a compressed bomb",
      (_req, res) => res.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(Buffer.alloc(1e7))),
      /compressed/,
    ],
    ["silence", () => undefined, /no answer within/],
  ] as [string, IssuerServer["answer"], RegExp][])(
    "keeps the last good keys when it is answered %s",
    async (_name, answer, cause) => {
      await using issuer = await startIssuerServer(ca);
      issuer.answer = json(tokens.jwks);
      using opened = open(issuer, { refreshMs: 20 });
      expect(await opened.verify()).toBe("good");
      issuer.answer = answer;
      await vi.waitFor(() => expect(opened.errors.some((error) => cause.test(error))).toBe(true), { timeout: 5_000 });
      expect(await opened.verify()).toBe("good");
    },
  );
  test("is not read from a server with another identity", async () => {
    await using issuer = await startIssuerServer(ca, { workload: "storefront" });
    issuer.answer = json(tokens.jwks);
    using opened = open(issuer);
    expect(await opened.verify()).toBe("KeysUnavailable");
    expect(issuer.requests).toBe(0);
  });
});
