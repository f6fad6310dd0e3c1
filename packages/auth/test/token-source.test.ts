import { createCa, type TestCa } from "@zero-trust/testkit";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { type ClientCredentialsOptions, clientCredentials, TokenUnavailable } from "../src/client.ts";
import { type IssuerServer, json, startIssuerServer } from "./issuer-server.ts";

let ca: TestCa;
beforeAll(async () => {
  ca = await createCa();
});
const token = { access_token: "a.b.c", token_type: "Bearer", expires_in: 300 };
/** Renews after three quarters of a token's life. */
const open = (issuer: IssuerServer, changes: Partial<ClientCredentialsOptions> = {}) =>
  clientCredentials({
    tokenEndpoint: issuer.url,
    agent: issuer.agent,
    clientId: "storefront",
    audience: "https://order.production.internal",
    scopes: ["read:orders"],
    random: () => 0.75,
    ...changes,
  });

describe("clientCredentials", () => {
  test("I9: asks once for a thousand first calls, with grant, resource, scope and client", async () => {
    await using issuer = await startIssuerServer(ca);
    let form = "";
    issuer.answer = (req, res) => {
      req.on("data", (chunk: Buffer) => {
        form += chunk.toString();
      });
      req.on("end", () => json(token)(req, res));
    };
    const source = open(issuer);
    await Promise.all(Array.from({ length: 1000 }, async () => await source.token()));
    expect(issuer.requests).toBe(1);
    expect(Object.fromEntries(new URLSearchParams(form))).toEqual({
      grant_type: "client_credentials",
      resource: "https://order.production.internal",
      scope: "read:orders",
      client_id: "storefront",
    });
  });
  test("I8: renews ahead of time, and goes on with a token that is good while the issuer is slow or down", async () => {
    await using issuer = await startIssuerServer(ca);
    let ahead = 0;
    issuer.answer = json(token);
    const source = open(issuer, { now: () => Date.now() + ahead });
    expect(await source.token()).toBe("a.b.c");
    ahead = 226_000;
    issuer.answer = () => undefined;
    const waiting = Array.from({ length: 100 }, async () => await source.token());
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(["a.b.c"]));
    await vi.waitFor(() => expect(issuer.requests).toBe(2));
    ahead = 290_000;
    expect(await source.token()).toBe("a.b.c");
    expect(issuer.requests).toBe(2);
  });
  test("gets the next token once the one it holds is old, and says what is wrong where there is none", async () => {
    await using issuer = await startIssuerServer(ca);
    let ahead = 0;
    issuer.answer = json(token);
    const source = open(issuer, { now: () => Date.now() + ahead });
    await source.token();
    ahead = 226_000;
    issuer.answer = json({ ...token, access_token: "d.e.f" });
    await vi.waitFor(async () => expect(await source.token()).toBe("d.e.f"));
    ahead += 296_000;
    issuer.answer = json({}, 503);
    await expect(source.token()).rejects.toThrow(/refused client storefront a token: status 503, since 20/);
  });
  test.each([
    [
      "an OAuth error, by its code alone",
      json({ error: "invalid_scope", error_description: "canary" }, 400),
      /a token: invalid_scope, since 20/,
    ],
    ["another type of token", json({ ...token, token_type: "DPoP" }), /no token/],
    ["no type of token", json({ ...token, token_type: undefined }), /no token/],
    ["a token with a line feed", json({ ...token, access_token: "canary\nx-api-key: 1" }), /no token/],
    ["an empty token", json({ ...token, access_token: "" }), /no token/],
    ["a token of 9 kB", json({ ...token, access_token: `canary${"a".repeat(9 * 1024)}` }), /no token/],
    ["a token that is a number", json({ ...token, access_token: 7 }), /no token/],
    ["a life of no seconds", json({ ...token, expires_in: 0 }), /no token/],
    ["a life that is over", json({ ...token, expires_in: -1 }), /no token/],
    ["a life in words", json({ ...token, expires_in: "300" }), /no token/],
    ["a life of null", json({ ...token, expires_in: null }), /no token/],
    ["a list", json([token]), /no token/],
    ["HTML", (_req, res) => res.end("<html>canary"), /cannot be asked: status 200 without JSON/],
    ["a redirect", (_req, res) => res.writeHead(302, { location: "/canary" }).end("{}"), /a token: status 302/],
  ] as [string, IssuerServer["answer"], RegExp][])("says clearly that it got %s", async (_name, answer, message) => {
    await using issuer = await startIssuerServer(ca);
    issuer.answer = answer;
    const source = open(issuer);
    const failed = source.token();
    await expect(failed).rejects.toThrow(TokenUnavailable);
    await expect(failed).rejects.toThrow(message);
    await expect(failed).rejects.toThrow(issuer.url.host);
    await expect(failed).rejects.not.toThrow(/canary/);
    await expect(source.token()).rejects.toThrow(message);
    expect(issuer.requests).toBe(1);
  });
  test.each([
    ["takes a token of unknown life for one of a minute (RFC 6749 §5.1)", {}, 60],
    ["takes no token for good for more than a day", { expires_in: 1e300 }, 86_400],
  ])("%s", async (_what, life, seconds) => {
    await using issuer = await startIssuerServer(ca);
    let nowMs = Date.now();
    issuer.answer = json({ access_token: "a.b.c", token_type: "bearer", ...life });
    const source = open(issuer, { now: () => nowMs });
    await source.token();
    issuer.answer = json({}, 503);
    nowMs += seconds * 1000 - 7_000;
    expect(await source.token()).toBe("a.b.c");
    nowMs += 7_000;
    await expect(source.token()).rejects.toThrow(TokenUnavailable);
  });
  test("asks nobody else than the issuer, also where its certificate is of our CA", async () => {
    await using impostor = await startIssuerServer(ca, { workload: "order-service" });
    impostor.answer = json(token);
    await expect(open(impostor).token()).rejects.toThrow(/cannot be asked/);
    expect(impostor.requests).toBe(0);
  });
  test("asks over HTTPS alone", async () => {
    await using issuer = await startIssuerServer(ca);
    const tokenEndpoint = new URL(issuer.url.href.replace("https:", "http:"));
    expect(() => open(issuer, { tokenEndpoint })).toThrow(TypeError);
  });
});
