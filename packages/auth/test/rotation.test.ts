import { TLSSocket } from "node:tls";
import { httpsAgent, identityFromMemory, mutualTlsChannels, peerOfSocket } from "@zero-trust/mtls";
import { createCa, createTokenIssuer } from "@zero-trust/testkit";
import { expect, test, vi } from "vitest";
import { bearer, clientCredentials, connect } from "../src/client.ts";
import { Credential, definePolicy } from "../src/index.ts";
import * as server from "../src/server.ts";
import { json, startIssuerServer } from "./issuer-server.ts";
import { knownKeys } from "./known-keys.ts";
import { ping } from "./ping-client.ts";
import { idOf, pingDefinition, startPingServer } from "./ping-server.ts";

const audience = "https://order.production.internal";
const rules = [{ credentials: [Credential.BEARER], scopes: ["read:test"] }];
const policies = [definePolicy(pingDefinition, { Ping: rules, PingMany: rules, PingSum: rules, PingEach: rules })];

test("a certificate that is replaced takes new tokens along, and no call fails", async () => {
  const ca = await createCa();
  const tokens = await createTokenIssuer({ issuer: "https://issuer.production.internal" });
  const keys = await knownKeys(tokens.jwks);
  await using issuer = await startIssuerServer(ca);
  const answer = async (...[req, res]: Parameters<typeof issuer.answer>) => {
    if (!(req.socket instanceof TLSSocket)) throw new TypeError("not TLS");
    const { thumbprint } = peerOfSocket(req.socket, { trustDomain: "production.internal" });
    const claims = { aud: audience, sub: "order-service", client_id: "order-service", scope: "read:test" };
    const token = await tokens.sign({ ...claims, cnf: { "x5t#S256": thumbprint } });
    json({ access_token: token, token_type: "Bearer", expires_in: 300 })(req, res);
  };
  issuer.answer = (req, res) => void answer(req, res);
  await using pings = await startPingServer(ca, {
    policies,
    grants: { current: () => new Map() },
    credentials: [server.bearer({ issuer: tokens.issuer, audience, keys })],
  });
  const identity = identityFromMemory(await ca.issue({ spiffeId: idOf("order-service") }));
  const agent = httpsAgent({ identity, serverId: idOf("issuer") });
  const source = clientCredentials({
    tokenEndpoint: issuer.url,
    agent,
    clientId: "order-service",
    audience,
    scopes: ["read:test"],
  });
  const channels = mutualTlsChannels({ identity, target: pings.target, serverId: idOf("ping-service") });
  const authenticated = connect({ channels, credentials: [bearer({ tokens: source })] });

  const outcomes: string[] = [];
  let stopped = false;
  const calling = [1, 2, 3, 4].map(async () => {
    while (!stopped) outcomes.push(await ping(authenticated));
  });
  const shown = () => new Set<string | undefined>(pings.events.map(({ certificate }) => certificate));
  for (let round = 0; round < 10; round += 1) {
    identity.replace(await ca.issue({ spiffeId: idOf("order-service") }));
    await vi.waitUntil(() => shown().has(identity.thumbprint), { timeout: 15_000, interval: 5 });
  }
  stopped = true;
  await Promise.all(calling);
  channels.close();
  agent.destroy();
  expect(shown().size).toBeGreaterThanOrEqual(10);
  expect(issuer.requests).toBeGreaterThanOrEqual(10);
  expect(new Set(outcomes)).toEqual(new Set(["OK"]));
});
