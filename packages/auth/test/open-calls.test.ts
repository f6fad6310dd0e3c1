import * as http2 from "node:http2";
import { type Client, type ServiceError, status } from "@grpc/grpc-js";
import { identityFromMemory } from "@zero-trust/mtls";
import { createCa, createTokenIssuer } from "@zero-trust/testkit";
import { describe, expect, test, vi } from "vitest";
import { newApiKey } from "../src/api-key/format.ts";
import type { ApiKeyRecord } from "../src/api-key/records.ts";
import { apiKey, bearer, connect, hmac } from "../src/client.ts";
import { newSigningKey, signingSecret } from "../src/hmac/keys.ts";
import { Credential, definePolicy } from "../src/index.ts";
import { wasLetIn } from "../src/refusal.ts";
import * as server from "../src/server.ts";
import { knownKeys } from "./known-keys.ts";
import { type Channels, clientOf, outcomeOf, pingBytes, pingPath } from "./ping-client.ts";
import { idOf, pingDefinition, startPingServer } from "./ping-server.ts";

const ca = await createCa();
const rules = [{ credentials: [Credential.MTLS], scopes: ["read:test"] }];
const policies = [definePolicy(pingDefinition, { Ping: rules, PingMany: rules, PingSum: rules, PingEach: rules })];
const grants = {
  current: () =>
    new Map(["order-service", "reporting"].map((it) => [idOf(it), { client: it, scopes: new Set(["read:test"]) }])),
};
const wait = { timeout: 15_000, interval: 10 };
/** For a test of calls that are not ended where they should be, in milliseconds. */
const patienceMs = 20_000;
const bytes = (value: Buffer) => value;
const deadline = () => ({ deadline: Date.now() + 60_000 });
const path = (method: string) => pingPath.replace(/Ping$/, method);

/** One call of each kind that goes on until the server ends it, and how that went. */
const kinds: readonly (readonly [string, (client: Client, ended: (error: ServiceError | null) => void) => void])[] = [
  ["a unary call", (client, ended) => client.makeUnaryRequest(pingPath, bytes, bytes, pingBytes(), deadline(), ended)],
  [
    "a server stream",
    (client, ended) =>
      client
        .makeServerStreamRequest(path("PingMany"), bytes, bytes, pingBytes(), deadline())
        .on("error", ended)
        .on("end", () => ended(null))
        .resume(),
  ],
  [
    "a client stream",
    (client, ended) =>
      client.makeClientStreamRequest(path("PingSum"), bytes, bytes, deadline(), ended).write(pingBytes()),
  ],
  [
    "a bidirectional stream",
    (client, ended) => {
      const call = client.makeBidiStreamRequest(path("PingEach"), bytes, bytes, deadline());
      call
        .on("error", ended)
        .on("end", () => ended(null))
        .resume();
      call.write(pingBytes());
    },
  ],
];

function outcome(channels: Channels, begin: (typeof kinds)[number][1]): Promise<string> {
  return new Promise((resolve) => {
    begin(clientOf(channels), (error) => {
      const after = error !== null && wasLetIn(error) ? " after it was let in" : "";
      resolve(error === null ? status[status.OK] : `${outcomeOf(error)}${after}`);
    });
  });
}

describe("a call that runs", () => {
  test.each(kinds)("is ended where the peer's certificate is revoked: %s", async (_kind, begin) => {
    await using server = await startPingServer(ca, { policies, grants, credentials: [], holding: true });
    const revoked = await ca.issue({ spiffeId: idOf("order-service") });
    const open = [await server.channels("order-service", revoked), await server.channels("reporting")] as const;
    const [ended, goesOn] = open.map((channels) => outcome(channels, begin));
    await vi.waitUntil(() => server.held.length === 2, wait);
    const lists = [await ca.crl({ issuer: "root" }), await ca.crl({ issuer: "intermediate", revoked: [revoked.cert] })];
    server.identity.replace({ ...server.identity.material, key: server.identity.material.key, crl: lists.join("") });

    // Also when the handler goes on as if nothing had happened.
    expect(await ended).toBe("UNAUTHENTICATED PEER_INVALID after it was let in");
    await vi.waitUntil(() => server.held[0]?.cancelled, wait);
    expect(server.held[1]?.cancelled).toBe(false);
    expect(server.events.map(({ outcome: found, client, reason }) => ({ found, client, reason }))).toEqual([
      { found: "allowed", client: "order-service", reason: undefined },
      { found: "allowed", client: "reporting", reason: undefined },
      { found: "ended", client: "order-service", reason: "PEER_INVALID" },
    ]);
    expect(server.events.at(-1)?.cause).toMatch(/revoked/);
    for (const channels of open) channels.close();
    expect(await goesOn).toBe("UNAVAILABLE");
  });

  test("is ended when the peer's certificate expires, within seconds", async () => {
    await using server = await startPingServer(ca, { policies, grants, credentials: [], holding: true });
    const notAfter = new Date(Math.ceil(Date.now() / 1000) * 1000 + 2000);
    const brief = await ca.issue({ spiffeId: idOf("order-service"), notAfter });
    const [, , , [, bidi]] = kinds as readonly [unknown, unknown, unknown, (typeof kinds)[number]];
    expect(await outcome(await server.channels("order-service", brief), bidi)).toBe(
      "UNAUTHENTICATED PEER_INVALID after it was let in",
    );
    // Good through the second that notAfter names, then at most a second until it is looked at, and some for this machine.
    expect(Date.now() - notAfter.getTime()).toBeGreaterThanOrEqual(1000);
    expect(server.events.map((event) => event.outcome)).toEqual(["allowed", "ended"]);
  });

  test("is ended for its handler though the caller does not read, before its connection is cut off", async () => {
    await using server = await startPingServer(ca, { policies, grants, credentials: [], holding: true });
    const revoked = await ca.issue({ spiffeId: idOf("order-service") });
    const session = http2.connect(`https://${server.target}`, {
      ...revoked,
      servername: "ping-service.production.internal",
    });
    const message = pingBytes({ text: "x".repeat(100) });
    const request = session.request({
      ":method": "POST",
      ":path": path("PingMany"),
      "content-type": "application/grpc",
      te: "trailers",
    });
    request.on("error", () => undefined).end(Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]));
    await vi.waitUntil(() => server.held.length === 1, wait);
    let connections = 0;
    server.held[0]?.once("cancelled", () => {
      connections = server.connections;
    });
    const lists = [await ca.crl({ issuer: "root" }), await ca.crl({ issuer: "intermediate", revoked: [revoked.cert] })];
    server.identity.replace({ ...server.identity.material, key: server.identity.material.key, crl: lists.join("") });
    await vi.waitUntil(() => server.held[0]?.cancelled, wait);
    expect(connections).toBe(1);
    await vi.waitUntil(() => server.connections === 0, wait);
    session.destroy();
  });
});

const { MTLS, API_KEY, BEARER, HMAC } = Credential;
const audience = "https://ping.production.internal";
const scopes = new Set(["read:test"]);
const client = "order-service";
const tokens = await createTokenIssuer({ issuer: "https://issuer.production.internal" });
const keys = await knownKeys(tokens.jwks);
const key = newApiKey("live");
const signing = newSigningKey();

/** A server whose rule is made of these credentials; the streams of requests cannot be signed. */
async function startWith(credentials: readonly Credential[], beginnings = kinds) {
  const record: ApiKeyRecord = { id: key.id, client, audience, scopes, secrets: [{ sha256: key.sha256 }] };
  const signingKey = { id: signing.id, client, audience, scopes, secret: signingSecret(signing.secret.expose()) };
  const state = {
    key: record as ApiKeyRecord | undefined,
    signingKey: signingKey as server.SigningKey | undefined,
    grants: new Map([[idOf(client), { client, scopes }]]) as server.Grants,
    aheadMs: 0,
  };
  const now = () => Date.now() + state.aheadMs;
  const nonces = server.memoryNonceStore({ now: () => Date.now() - 600_000 });
  const rule = { credentials, scopes: ["read:test"] };
  const unsigned = { credentials: [MTLS], scopes: ["read:test"] };
  const streams = credentials.includes(HMAC) ? [unsigned] : [rule];
  const ping = await startPingServer(ca, {
    policies: [definePolicy(pingDefinition, { Ping: [rule], PingMany: [rule], PingSum: streams, PingEach: streams })],
    grants: { current: () => state.grants },
    credentials: [
      server.apiKey({ keys: { find: () => state.key }, audience }),
      server.bearer({ issuer: tokens.issuer, audience, keys }),
      server.hmac({ keys: { find: () => state.signingKey }, nonces, audience }),
    ],
    now,
    holding: true,
  });
  const material = await ca.issue({ spiffeId: idOf(client) });
  const token = await tokens.sign({
    aud: audience,
    sub: client,
    client_id: client,
    scope: "read:test",
    cnf: { "x5t#S256": identityFromMemory(material).thumbprint },
  });
  const presenters = [
    ...(credentials.includes(API_KEY) ? [apiKey({ key: key.key })] : []),
    ...(credentials.includes(BEARER) ? [bearer({ tokens: { token: async () => token } })] : []),
    ...(credentials.includes(HMAC) ? [hmac({ keyId: signing.id, secret: signing.secret })] : []),
  ];
  const channels = await ping.channels(client, material);
  const connected = presenters.length === 0 ? channels : connect({ channels, credentials: presenters });
  const outcomes = beginnings.map(([, begin]) => outcome(connected, begin));
  await vi.waitUntil(() => ping.held.length === beginnings.length, wait);
  return { ping, state, outcomes, [Symbol.asyncDispose]: () => ping[Symbol.asyncDispose]() };
}

describe("calls of all kinds are ended where", () => {
  test.each<[string, readonly Credential[], (state: Awaited<ReturnType<typeof startWith>>["state"]) => void, string]>([
    [
      "the API key is revoked (K8)",
      [API_KEY],
      (state) => {
        state.key = { ...(state.key as ApiKeyRecord), revokedAtMs: Date.now() };
      },
      "UNAUTHENTICATED CREDENTIAL_INVALID",
    ],
    [
      "the API key is deleted, beside a certificate",
      [MTLS, API_KEY],
      (state) => {
        state.key = undefined;
      },
      "UNAUTHENTICATED CREDENTIAL_INVALID",
    ],
    [
      "the API key belongs to another client now",
      [API_KEY],
      (state) => {
        state.key = { ...(state.key as ApiKeyRecord), client: "partner" };
      },
      "UNAUTHENTICATED CLIENT_MISMATCH",
    ],
    [
      "the API key lost the scope",
      [API_KEY],
      (state) => {
        state.key = { ...(state.key as ApiKeyRecord), scopes: new Set() };
      },
      "PERMISSION_DENIED SCOPE_MISSING",
    ],
    [
      "the grants were withdrawn",
      [MTLS],
      (state) => {
        state.grants = new Map();
      },
      "PERMISSION_DENIED PEER_NOT_GRANTED",
    ],
    [
      "the grants name another client now",
      [MTLS],
      (state) => {
        state.grants = new Map([[idOf(client), { client: "partner", scopes }]]);
      },
      "UNAUTHENTICATED CLIENT_MISMATCH",
    ],
    [
      "the token has expired (B18)",
      [BEARER],
      (state) => {
        state.aheadMs = 310_000;
      },
      "UNAUTHENTICATED CREDENTIAL_EXPIRED",
    ],
  ])(
    "%s",
    async (_name, credentials, change, expected) => {
      await using started = await startWith(credentials);
      const { ping, state, outcomes } = started;
      change(state);
      expect(await Promise.all(outcomes)).toEqual(kinds.map(() => `${expected} after it was let in`));
      await vi.waitUntil(() => ping.held.every((call) => call.cancelled), wait);
      expect(ping.events.map((event) => event.outcome)).toEqual([
        ...kinds.map(() => "allowed"),
        ...kinds.map(() => "ended"),
      ]);
    },
    patienceMs,
  );

  test("the signing key is retired", async () => {
    const signed = kinds.slice(0, 2);
    await using started = await startWith([HMAC], signed);
    const { state, outcomes } = started;
    state.signingKey = undefined;
    expect(await Promise.all(outcomes)).toEqual(
      signed.map(() => "UNAUTHENTICATED CREDENTIAL_INVALID after it was let in"),
    );
  });
});
