import { createCa, type TestCa } from "@zero-trust/testkit";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { clientCredentials } from "../src/client.ts";
import { type IssuerServer, json, startIssuerServer } from "./issuer-server.ts";

let ca: TestCa;
beforeAll(async () => {
  ca = await createCa();
});
const token = { access_token: "a.b.c", token_type: "Bearer", expires_in: 300 };
const open = (issuer: IssuerServer, changes: { readonly clientSecret?: string; readonly now?: () => number } = {}) =>
  clientCredentials({
    tokenEndpoint: issuer.url,
    agent: issuer.agent,
    clientId: "storefront",
    audience: "https://order.production.internal",
    scopes: ["read:orders"],
    ...changes,
  });

describe("clientCredentials", () => {
  test("asks once for a thousand first calls, with grant, resource, scope and client", async () => {
    await using issuer = await startIssuerServer(ca);
    let form = "";
    issuer.answer = (req, res) => {
      req.on("data", (chunk: Buffer) => {
        form += chunk.toString();
      });
      req.on("end", () => json(token)(req, res));
    };
    const source = open(issuer);
    await Promise.all(Array.from({ length: 1000 }, () => source.token()));
    expect(issuer.requests).toBe(1);
    expect(Object.fromEntries(new URLSearchParams(form))).toEqual({
      grant_type: "client_credentials",
      resource: "https://order.production.internal",
      scope: "read:orders",
      client_id: "storefront",
    });
  });
  test("authenticates by its secret where it has one", async () => {
    await using issuer = await startIssuerServer(ca);
    let authorization: string | undefined;
    issuer.answer = (req, res) => {
      authorization = req.headers.authorization;
      json(token)(req, res);
    };
    await open(issuer, { clientSecret: "s:ecret" }).token();
    expect(Buffer.from(authorization?.split(" ")[1] ?? "", "base64").toString()).toBe("storefront:s%3Aecret");
  });
  test("renews ahead of time, and goes on with a token that is good while the issuer is slow or down", async () => {
    await using issuer = await startIssuerServer(ca);
    let ahead = 0;
    issuer.answer = json(token);
    const source = open(issuer, { now: () => Date.now() + ahead });
    expect(await source.token()).toBe("a.b.c");
    ahead = 226_000;
    issuer.answer = () => undefined;
    const waiting = Array.from({ length: 100 }, () => source.token());
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(["a.b.c"]));
    await vi.waitFor(() => expect(issuer.requests).toBe(2));
    ahead = 290_000;
    expect(await source.token()).toBe("a.b.c");
    expect(issuer.requests).toBe(2);
  });
  test("leaves an issuer that refuses alone for a second, while it holds a token that is good", async () => {
    await using issuer = await startIssuerServer(ca);
    let nowMs = Date.now();
    issuer.answer = json(token);
    const source = open(issuer, { now: () => nowMs });
    await source.token();
    issuer.answer = json({}, 503);
    nowMs += 226_000;
    // Each round goes to the issuer and back, so whatever the calls before it asked for has been answered.
    for (let round = 0; round < 10; round += 1) {
      expect(await source.token()).toBe("a.b.c");
      await expect(open(issuer).token()).rejects.toThrow(/503/);
    }
    expect(issuer.requests).toBe(1 + 1 + 10);
    nowMs += 1_000;
    await source.token();
    await vi.waitFor(() => expect(issuer.requests).toBe(1 + 1 + 10 + 1));
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
    await expect(source.token()).rejects.toThrow(/refused client storefront a token: status 503/);
  });
  test.each([
    [
      "an OAuth error, by its code alone",
      json({ error: "invalid_scope", error_description: "canary" }, 400),
      /a token: invalid_scope\.$/,
    ],
    ["another type of token", json({ ...token, token_type: "DPoP" }), /no token/],
    ["HTML", (_req, res) => res.end("<html>canary"), /cannot be asked: status 200 without JSON/],
  ] as [string, IssuerServer["answer"], RegExp][])("says clearly that it got %s", async (_name, answer, message) => {
    await using issuer = await startIssuerServer(ca);
    issuer.answer = answer;
    const failed = open(issuer).token();
    await expect(failed).rejects.toThrow(message);
    await expect(failed).rejects.not.toThrow(/canary/);
  });
});
