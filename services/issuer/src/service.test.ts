import { once } from "node:events";
import { connect } from "node:tls";
import { createCa } from "@zero-trust/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { issuer, orders, type StartedIssuer, startIssuer } from "../test/start-issuer.ts";

let started: StartedIssuer;
beforeAll(async () => {
  started = await startIssuer();
});
beforeEach(() => {
  started.lines.length = 0;
});
afterAll(() => started[Symbol.asyncDispose]());

const get = (path: string, headers: Readonly<Record<string, string>> = {}) =>
  started.ask({ as: started.storefront, method: "GET", path, headers });

const goodBody = new URLSearchParams({
  grant_type: "client_credentials",
  client_id: "storefront",
  resource: orders,
  scope: "read:orders",
}).toString();

describe("serves", () => {
  test("its metadata, under its own name whatever the request's host", async () => {
    const answer = await get("/.well-known/oauth-authorization-server", { host: "attacker.example" });
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({
      issuer,
      token_endpoint: `${issuer}/oauth/token`,
      jwks_uri: `${issuer}/.well-known/jwks.json`,
      grant_types_supported: ["client_credentials"],
      response_types_supported: [],
      token_endpoint_auth_methods_supported: ["tls_client_auth", "client_secret_basic", "private_key_jwt"],
      token_endpoint_auth_signing_alg_values_supported: ["ES256", "Ed25519"],
      revocation_endpoint: `${issuer}/oauth/revoke`,
      revocation_endpoint_auth_methods_supported: ["tls_client_auth", "client_secret_basic", "private_key_jwt"],
      revocation_endpoint_auth_signing_alg_values_supported: ["ES256", "Ed25519"],
      tls_client_certificate_bound_access_tokens: true,
    });
  });

  test("the public keys, the next one too, and nothing private", async () => {
    const { status, headers, body } = await get("/.well-known/jwks.json");
    expect(status).toBe(200);
    expect(headers["content-type"]).toBe("application/jwk-set+json");
    const keys = body["keys"] as Record<string, unknown>[];
    expect(keys.map(({ kid }) => kid)).toEqual(["now", "next"]);
    expect(JSON.stringify(body)).not.toContain('"d"');
    for (const key of keys) expect(Object.keys(key).sort()).toEqual(["alg", "crv", "kid", "kty", "use", "x", "y"]);
  });

  test("what is revoked, to every workload of the trust domain", async () => {
    const { status, headers, body } = await get("/.well-known/revoked-tokens.json");
    expect({ status, body }).toEqual({ status: 200, body: { tokens: [], clients: [] } });
    expect(headers["content-type"]).toBe("application/json");
  });

  test("its health to a workload of the trust domain", async () => {
    expect((await get("/healthz")).status).toBe(204);
  });
});

describe("refuses", () => {
  test.each([
    "/",
    "/oauth/authorize",
    "/auth",
    "/me",
    "/reg",
    "/session/end",
    "/token",
    "/token/introspection",
    "/token/revocation",
    "/.well-known/openid-configuration",
    "/oauth/token/",
    "/healthz?x=1",
    "/__proto__",
    "/constructor",
  ])("%s, which does not exist", async (path) => {
    expect((await get(path)).status).toBe(404);
    expect((await started.ask({ as: started.storefront, path, body: goodBody })).status).toBe(404);
  });

  test("another method than the path's, and names the right one", async () => {
    expect(await get("/oauth/token")).toMatchObject({ status: 405, headers: { allow: "POST" } });
    expect(await started.ask({ as: started.storefront, method: "OPTIONS" })).toMatchObject({
      status: 405,
      headers: { allow: "POST" },
    });
    expect(await started.ask({ as: started.storefront, path: "/healthz", body: "" })).toMatchObject({
      status: 405,
      headers: { allow: "GET" },
    });
  });

  test("every path to a peer that is no workload of the trust domain", async () => {
    const as = await started.issue({ spiffeId: "spiffe://staging.internal/storefront" });
    for (const path of ["/healthz", "/.well-known/jwks.json", "/.well-known/oauth-authorization-server", "/nowhere"]) {
      expect((await started.ask({ as, method: "GET", path })).status).toBe(401);
    }
    expect(started.lines.filter((line) => line.includes('"peer refused"'))).toHaveLength(4);
  });

  test("a body that is too large, and one of unknown size", async () => {
    const large = await started.ask({ as: started.storefront, body: `${goodBody}&x=${"y".repeat(8 * 1024)}` });
    expect(large).toMatchObject({ status: 413, body: { error: "invalid_request" } });
    const chunked = await started.ask({
      as: started.storefront,
      headers: { "content-type": "application/x-www-form-urlencoded", "transfer-encoding": "chunked" },
    });
    expect(chunked).toMatchObject({ status: 411, body: { error: "invalid_request" } });
    expect((await started.ask({ as: started.storefront, body: goodBody })).status).toBe(200);
    expect(started.lines.map((line) => (JSON.parse(line) as { outcome: string }).outcome)).toEqual([
      "refused",
      "refused",
      "issued",
    ]);
  });

  test("no certificate, and a stranger's, in the handshake, and logs it", async () => {
    const stranger = await (await createCa()).issue({ spiffeId: "spiffe://production.internal/storefront" });
    for (const [as, cause] of [
      [null, "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE"],
      [stranger, "UNABLE_TO_GET_ISSUER_CERT_LOCALLY"],
    ] as const) {
      started.lines.length = 0;
      await expect(started.ask({ as, body: goodBody })).rejects.toThrow(/alert|socket hang up|ECONNRESET/u);
      await expect
        .poll(() => started.lines.map((line) => JSON.parse(line) as unknown))
        .toEqual([expect.objectContaining({ log: "connection", msg: "handshake refused", cause })]);
    }
    expect((await started.ask({ as: started.storefront, body: goodBody })).status).toBe(200);
  });

  test("a request whose headers do not end, in time", async () => {
    const { ca, cert, key } = started.storefront;
    const socket = connect({
      host: "127.0.0.1",
      port: started.port,
      servername: "issuer.production.internal",
      ca,
      cert,
      key,
    });
    const startedMs = performance.now();
    socket.write("GET /healthz HTTP/1.1\r\nHost: issuer.production.internal\r\nX-Slow: ");
    let answer = "";
    for await (const chunk of socket) answer += String(chunk);
    expect(answer).toContain("408 Request Timeout");
    expect(performance.now() - startedMs).toBeLessThan(9_000);
  });
});

test("sets the headers that keep an answer where it belongs, and no cookie, in every answer", async () => {
  const answers = [
    await get("/healthz"),
    await get("/.well-known/revoked-tokens.json"),
    await get("/nowhere"),
    await started.ask({ as: started.storefront, body: goodBody }),
    await started.ask({ as: started.storefront, body: goodBody, headers: { origin: "https://evil.example" } }),
  ];
  for (const { headers } of answers) {
    expect(headers).toMatchObject({ "cache-control": "no-store", "x-content-type-options": "nosniff" });
    expect(headers).not.toHaveProperty("set-cookie");
    expect(headers).not.toHaveProperty("access-control-allow-origin");
  }
});

test("a request that is broken off leaves a line in the log, and none outside it", async () => {
  const printed = vi.spyOn(console, "error").mockImplementation(() => undefined);
  const written = vi.spyOn(process.stderr, "write").mockImplementation(() => true);
  try {
    const { storefront, port, ca } = started;
    const socket = connect({
      host: "127.0.0.1",
      port,
      ...storefront,
      ca: ca.ca,
      servername: "issuer.production.internal",
    });
    socket.on("error", () => undefined);
    await once(socket, "secureConnect");
    const head = [
      "POST /oauth/token HTTP/1.1",
      "Host: issuer.production.internal",
      "Content-Type: application/x-www-form-urlencoded",
      "Content-Length: 100",
    ];
    await new Promise((resolve) => socket.write(`${head.join("\r\n")}\r\n\r\ngrant_type=`, resolve));
    socket.destroy();
    await expect.poll(() => started.lines.join("")).toContain("a token request failed");
    expect(printed).not.toHaveBeenCalled();
    expect(written).not.toHaveBeenCalled();
  } finally {
    printed.mockRestore();
    written.mockRestore();
  }
  expect((await started.ask({ as: started.storefront, body: goodBody })).status).toBe(200);
});
