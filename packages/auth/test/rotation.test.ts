import { TLSSocket } from "node:tls";
import { httpsAgent, identityFromMemory, mutualTlsChannels, peerOfSocket } from "@zero-trust/mtls";
import { createCa, createTokenIssuer } from "@zero-trust/testkit";
import { expect, test, vi } from "vitest";
import { newApiKey } from "../src/api-key/format.ts";
import { apiKey, bearer, clientCredentials, connect } from "../src/client.ts";
import { Credential, definePolicy } from "../src/index.ts";
import * as server from "../src/server.ts";
import { json, startIssuerServer } from "./issuer-server.ts";
import { knownKeys } from "./known-keys.ts";
import { ping } from "./ping-client.ts";
import { idOf, pingDefinition, startPingServer } from "./ping-server.ts";

const audience = "https://order.production.internal";
const rules = [{ credentials: [Credential.BEARER], scopes: ["read:test"] }];
const policies = [definePolicy(pingDefinition, { Ping: rules, PingMany: rules, PingSum: rules, PingEach: rules })];
const soon = { timeout: 15_000, interval: 5 };

/** A service that takes tokens, its issuer, and a client of both, whose certificate can be replaced. */
async function start() {
  const opened = new AsyncDisposableStack();
  const ca = await createCa();
  const tokens = await createTokenIssuer({ issuer: "https://issuer.production.internal" });
  const keys = await knownKeys(tokens.jwks);
  const issuer = opened.use(await startIssuerServer(ca));
  const answer = async (...[req, res]: Parameters<typeof issuer.answer>) => {
    if (!(req.socket instanceof TLSSocket)) throw new TypeError("not TLS");
    const { thumbprint } = peerOfSocket(req.socket, { trustDomain: "production.internal" });
    const claims = { aud: audience, sub: "order-service", client_id: "order-service", scope: "read:test" };
    const token = await tokens.sign({ ...claims, cnf: { "x5t#S256": thumbprint } });
    json({ access_token: token, token_type: "Bearer", expires_in: 300 })(req, res);
  };
  issuer.answer = (req, res) => void answer(req, res);
  const pings = opened.use(
    await startPingServer(ca, {
      policies,
      grants: { current: () => new Map() },
      credentials: [server.bearer({ issuer: tokens.issuer, audience, keys })],
    }),
  );
  const issue = () => ca.issue({ spiffeId: idOf("order-service") });
  const identity = identityFromMemory(await issue());
  const agent = opened.adopt(httpsAgent({ identity, serverId: idOf("issuer") }), (its) => its.destroy());
  const source = clientCredentials({
    tokenEndpoint: issuer.url,
    agent,
    clientId: "order-service",
    audience,
    scopes: ["read:test"],
  });
  const channels = opened.adopt(
    mutualTlsChannels({ identity, target: pings.target, serverId: idOf("ping-service") }),
    (them) => them.close(),
  );
  return {
    issuer,
    pings,
    source,
    channels,
    identity,
    replace: async () => identity.replace(await issue()),
    shown: () => pings.events.map(({ certificate }) => certificate as string | undefined),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

test("a certificate that is replaced takes new tokens along, and no call fails", async () => {
  await using started = await start();
  const { issuer, channels, identity, shown } = started;
  const authenticated = connect({ channels, credentials: [bearer({ tokens: started.source })] });
  const outcomes: string[] = [];
  let stopped = false;
  const calling = [1, 2, 3, 4].map(async () => {
    while (!stopped) outcomes.push(await ping(authenticated));
  });
  for (let round = 0; round < 10; round += 1) {
    await started.replace();
    await vi.waitUntil(() => shown().includes(identity.thumbprint), soon);
  }
  stopped = true;
  await Promise.all(calling);
  expect(new Set(shown()).size).toBeGreaterThanOrEqual(10);
  expect(issuer.requests).toBeGreaterThanOrEqual(10);
  expect(new Set(outcomes)).toEqual(new Set(["OK"]));
});

test("an issuer that is down while a certificate is replaced fails no call: the former one is shown until there is a token for the next", async () => {
  await using started = await start();
  const { issuer, channels, identity, shown } = started;
  const authenticated = connect({ channels, credentials: [bearer({ tokens: started.source })] });
  expect(await ping(authenticated)).toBe("OK");
  const former = identity.thumbprint;
  const { answer, requests } = issuer;
  issuer.answer = (_req, res) => res.writeHead(503).end();
  await started.replace();
  await vi.waitUntil(() => issuer.requests > requests, soon);
  for (let call = 0; call < 5; call += 1) expect(await ping(authenticated)).toBe("OK");
  expect(new Set(shown())).toEqual(new Set([former]));
  issuer.answer = answer;
  await vi.waitUntil(async () => {
    expect(await ping(authenticated)).toBe("OK");
    return shown().at(-1) === identity.thumbprint;
  }, soon);
});

test("a certificate waits for no token that its calls do not show", async () => {
  await using started = await start();
  const { issuer, channels, identity, shown } = started;
  const rules = [{ credentials: [Credential.API_KEY], scopes: ["read:test"] }];
  const keyed = definePolicy(pingDefinition, { Ping: rules, PingMany: rules, PingSum: rules, PingEach: rules });
  const credentials = [bearer({ tokens: started.source }), apiKey({ key: newApiKey("live").key })];
  const authenticated = connect({ channels, credentials, policies: [keyed] });
  expect(await ping(authenticated)).toContain("UNAUTHENTICATED");
  await started.replace();
  await vi.waitUntil(async () => {
    await ping(authenticated);
    return shown().at(-1) === identity.thumbprint;
  }, soon);
  expect(issuer.requests).toBe(0);
});
