import { createHash, X509Certificate } from "node:crypto";
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Answer, AskOptions } from "../test/ask.ts";
import { askForToken, basic, type Form } from "../test/requests.ts";
import { issuer, orders, payments, type StartedIssuer, startIssuer } from "../test/start-issuer.ts";

let started: StartedIssuer;
beforeAll(async () => {
  started = await startIssuer();
});
beforeEach(() => {
  started.lines.length = 0;
});
afterAll(() => started[Symbol.asyncDispose]());

const tokenRequest = (changes: Form = {}, options: Partial<AskOptions> = {}): Promise<Answer> =>
  askForToken(started, changes, options);

const partnerRequest = (secret: string, options: Partial<AskOptions> = {}, changes: Form = {}) =>
  tokenRequest({ client_id: undefined, ...changes }, { as: started.partner, ...basic(secret), ...options });

/** The one record that a token request leaves. */
function record(): Record<string, unknown> {
  const records = started.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(records.filter(({ log }) => log === "token")).toHaveLength(1);
  return records.find(({ log }) => log === "token") ?? {};
}

const thumbprint = ({ cert }: { readonly cert: string }) =>
  createHash("sha256").update(new X509Certificate(cert).raw).digest("base64url");

async function verify(token: unknown, audience: string) {
  const { body } = await started.ask({ as: started.storefront, method: "GET", path: "/.well-known/jwks.json" });
  return jwtVerify(String(token), createLocalJWKSet(body as unknown as JSONWebKeySet), {
    issuer,
    audience,
    typ: "at+jwt",
    algorithms: ["ES256"],
  });
}

describe("issues", () => {
  test("an RFC 9068 token for one audience and 300 s, bound to the certificate", async () => {
    const { status, headers, body } = await tokenRequest({ scope: "read:orders write:orders" });
    expect(status).toBe(200);
    expect(headers["cache-control"]).toBe("no-store");
    expect(headers["content-type"]).toContain("application/json");
    expect(body).toEqual({
      access_token: expect.any(String) as string,
      expires_in: 300,
      scope: "read:orders write:orders",
      token_type: "Bearer",
    });
    const { payload, protectedHeader } = await verify(body["access_token"], orders);
    expect(protectedHeader).toEqual({ alg: "ES256", typ: "at+jwt", kid: "now" });
    expect(payload).toEqual({
      iss: issuer,
      aud: orders,
      sub: "storefront",
      client_id: "storefront",
      scope: "read:orders write:orders",
      jti: expect.stringMatching(/^.{16,}$/u) as string,
      iat: expect.any(Number) as number,
      exp: (payload.iat ?? 0) + 300,
      cnf: { "x5t#S256": thumbprint(started.storefront) },
    });
  });

  test("a token to the partner for its secret, bound to its certificate", async () => {
    const { status, body } = await partnerRequest(started.partnerSecret);
    expect(status).toBe(200);
    const { payload } = await verify(body["access_token"], orders);
    expect(payload).toMatchObject({
      client_id: "partner",
      sub: "partner",
      cnf: { "x5t#S256": thumbprint(started.partner) },
    });
  });

  test("a token to order-service for each of its audiences, with the scopes of that audience", async () => {
    const request = (resource: string, scope: string) =>
      tokenRequest({ client_id: "order-service", resource, scope }, { as: started.orderService });
    expect((await request(payments, "write:payments")).status).toBe(200);
    expect((await request(orders, "read:orders")).status).toBe(200);
    expect((await request(orders, "write:payments")).body).toMatchObject({ error: "invalid_scope" });
  });

  test("every token under its own id, and says so in the log, without the token", async () => {
    const first = await tokenRequest();
    const { payload } = await verify(first.body["access_token"], orders);
    expect(record()).toMatchObject({
      outcome: "issued",
      client: "storefront",
      spiffeId: "spiffe://production.internal/storefront",
      certificate: thumbprint(started.storefront),
      audience: orders,
      scopes: ["read:orders"],
      tokenId: payload.jti,
      latencyMs: expect.any(Number) as number,
    });
    expect(started.lines.join("")).not.toContain(String(first.body["access_token"]));
    const second = await tokenRequest();
    expect((await verify(second.body["access_token"], orders)).payload.jti).not.toBe(payload.jti);
  });
});

describe("refuses (B20)", () => {
  test.each<[name: string, changes: Form, error: string]>([
    ["an unknown scope", { scope: "read:orders read:everything" }, "invalid_scope"],
    ["a scope that the client may not have", { scope: "write:payments" }, "invalid_scope"],
    ["openid", { scope: "openid" }, "invalid_scope"],
    ["no scope at all", { scope: undefined }, "invalid_scope"],
    ["an empty scope", { scope: "" }, "invalid_scope"],
    ["a scope out of its grammar", { scope: "read:orders\n" }, "invalid_scope"],
    ["an unknown audience", { resource: "https://elsewhere.production.internal" }, "invalid_target"],
    ["an audience that the client may not have", { resource: payments }, "invalid_target"],
    ["an audience with a slash more", { resource: `${orders}/` }, "invalid_target"],
    ["an audience named like a property", { resource: "constructor" }, "invalid_target"],
    ["no audience", { resource: undefined }, "invalid_target"],
    ["an empty audience", { resource: "" }, "invalid_target"],
    ["two audiences", { resource: [orders, payments] }, "invalid_target"],
    ["the same audience twice", { resource: [orders, orders] }, "invalid_target"],
    ["two scopes parameters", { scope: ["read:orders", "read:orders"] }, "invalid_request"],
    ["another grant type", { grant_type: "authorization_code", code: "x" }, "unsupported_grant_type"],
    ["no grant type", { grant_type: undefined }, "invalid_request"],
  ])("%s", async (_, changes, error) => {
    const { status, body } = await tokenRequest(changes);
    expect({ status, error: body["error"] }).toEqual({ status: 400, error });
    expect(body).not.toHaveProperty("access_token");
    expect(record()).toMatchObject({ outcome: "refused", client: "storefront", error });
    expect((await tokenRequest()).status).toBe(200);
  });

  test.each<[name: string, request: () => Promise<Answer>]>([
    ["an unknown client", () => tokenRequest({ client_id: "nobody" })],
    ["a client named like a property", () => tokenRequest({ client_id: "__proto__" })],
    ["another workload's certificate", () => tokenRequest({}, { as: started.orderService })],
    [
      "the certificate of a workload that is no client",
      async () => tokenRequest({}, { as: await started.issue({ spiffeId: "spiffe://production.internal/stranger" }) }),
    ],
    [
      "the certificate of another trust domain",
      async () => tokenRequest({}, { as: await started.issue({ spiffeId: "spiffe://staging.internal/storefront" }) }),
    ],
    [
      "a certificate with the name in its CN only",
      async () =>
        tokenRequest(
          {},
          { as: await started.issue({ uris: [], commonName: "spiffe://production.internal/storefront" }) },
        ),
    ],
    ["a wrong secret", () => partnerRequest("wrong")],
    ["what oidc-provider has in place of the secret", () => partnerRequest("-")],
    [
      "the stored digest in place of the secret",
      () => partnerRequest(createHash("sha256").update(started.partnerSecret).digest("hex")),
    ],
    [
      "the right secret with another workload's certificate",
      () => partnerRequest(started.partnerSecret, { as: started.storefront }),
    ],
    [
      "the right secret under another client's id",
      () => partnerRequest(started.partnerSecret, basic(started.partnerSecret, "storefront")),
    ],
    ["the partner without its secret", () => tokenRequest({ client_id: "partner" }, { as: started.partner })],
    [
      "the partner's secret in the body",
      () => partnerRequest("", { headers: {} }, { client_id: "partner", client_secret: started.partnerSecret }),
    ],
    [
      "a client of ours that shows a secret",
      () => tokenRequest({ client_id: undefined }, basic("secret", "storefront")),
    ],
  ])("%s", async (_, request) => {
    const { status, body } = await request();
    expect({ status, body }).toEqual({
      status: 401,
      body: { error: "invalid_client", error_description: "client authentication failed" },
    });
    expect(record()).toMatchObject({
      outcome: "refused",
      error: "invalid_client",
      cause: expect.any(String) as string,
    });
    expect(started.lines.join("")).not.toContain(started.partnerSecret);
    expect((await tokenRequest()).status).toBe(200);
    expect((await partnerRequest(started.partnerSecret)).status).toBe(200);
  });

  test("a request without a client's name", async () => {
    expect(await tokenRequest({ client_id: undefined })).toMatchObject({
      status: 400,
      body: { error: "invalid_request" },
    });
  });

  test("a body that is no form", async () => {
    const answer = await tokenRequest({}, { headers: { "content-type": "application/json" } });
    expect(answer).toMatchObject({ status: 400, body: { error: "invalid_request" } });
  });

  test("with JSON also whoever would rather have a page", async () => {
    const answer = await tokenRequest({ scope: undefined }, { headers: { accept: "text/html" } });
    expect(answer).toMatchObject({ status: 400, body: { error: "invalid_scope" } });
  });

  test("and keeps what the caller sent within one short record", async () => {
    await tokenRequest({ scope: `x\u001b[31m${"y".repeat(2000)}\n{"outcome":"issued"}` });
    expect(record()).toMatchObject({ outcome: "refused" });
    expect(started.lines.join("").length).toBeLessThan(1500);
  });

  test.each(["scope", "resource", "client_id", "grant_type"])(
    "and says nothing of what stands in %s, which may be a secret that has strayed there",
    async (field) => {
      const { body } = await tokenRequest({ [field]: "kIzVlc_rTkQm0PxXTF5TvZW2qQ4rxs7z" });
      expect(body).toHaveProperty("error");
      expect(JSON.stringify(body) + started.lines.join("")).not.toContain("kIzVlc");
    },
  );
});
