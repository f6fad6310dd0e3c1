import { TLSSocket } from "node:tls";
import type { StatusObject } from "@grpc/grpc-js";
import { httpsAgent, identityFromMemory, mutualTlsChannels, peerOfSocket } from "@zero-trust/mtls";
import { createCa, createTokenIssuer, type TestCa } from "@zero-trust/testkit";
import { beforeAll, describe, expect, test } from "vitest";
import { bearer, clientCredentials, connect } from "../src/client.ts";
import { Credential, definePolicy } from "../src/index.ts";
import * as server from "../src/server.ts";
import { type IssuerServer, json, startIssuerServer } from "./issuer-server.ts";
import { knownKeys } from "./known-keys.ts";
import { clientOf, outcomeOf, ping } from "./ping-client.ts";
import { idOf, pingDefinition, startPingServer } from "./ping-server.ts";

const audience = "https://order.production.internal";
const rules = [{ credentials: [Credential.BEARER], scopes: ["read:test"] }];
const policies = [definePolicy(pingDefinition, { Ping: rules, PingMany: rules, PingSum: rules, PingEach: rules })];

let ca: TestCa;
beforeAll(async () => {
  ca = await createCa();
});

/**
 * A server that asks for tokens, and a caller that has them from an authorization server: which signs the first `bad` of
 * them with a key that the server does not know.
 */
async function start({ bad, scope = "read:test" }: { readonly bad: number; readonly scope?: string }) {
  const running = new AsyncDisposableStack();
  const [known, unknown] = await Promise.all([1, 2].map(() => createTokenIssuer({ issuer: "https://issuer.test" })));
  if (known === undefined || unknown === undefined) throw new TypeError("unreachable");
  const issuer: IssuerServer = running.use(await startIssuerServer(ca));
  const answer = async (...[req, res]: Parameters<IssuerServer["answer"]>) => {
    if (!(req.socket instanceof TLSSocket)) throw new TypeError("not TLS");
    const { thumbprint } = peerOfSocket(req.socket, { trustDomain: "production.internal" });
    const signer = issuer.requests <= bad ? unknown : known;
    const who = { aud: audience, sub: "order-service", client_id: "order-service" };
    const claims = { ...who, scope, cnf: { "x5t#S256": thumbprint } };
    const token = await signer.sign(claims, { kid: known.keyId });
    json({ access_token: token, token_type: "Bearer", expires_in: 300 })(req, res);
  };
  issuer.answer = (req, res) => void answer(req, res);
  const keys = await knownKeys(known.jwks);
  const pings = running.use(
    await startPingServer(ca, {
      policies,
      grants: { current: () => new Map() },
      credentials: [server.bearer({ issuer: known.issuer, audience, keys })],
      // The test's machine is slow, and what is tested is who asks how often.
      decisionTimeoutMs: 30_000,
    }),
  );
  const identity = identityFromMemory(await ca.issue({ spiffeId: idOf("order-service") }));
  const agent = httpsAgent({ identity, serverId: idOf("issuer") });
  running.defer(() => agent.destroy());
  const state = { nowMs: Date.now() };
  const tokens = clientCredentials({
    tokenEndpoint: issuer.url,
    agent,
    clientId: "order-service",
    audience,
    scopes: ["read:test"],
    now: () => state.nowMs,
  });
  const mutualTls = mutualTlsChannels({ identity, target: pings.target, serverId: idOf("ping-service") });
  running.defer(() => mutualTls.close());
  const channels = connect({ channels: mutualTls, credentials: [bearer({ tokens })] });
  return { channels, issuer, pings, state, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

const patient = () => ({ options: { deadline: Date.now() + 60_000 } });

describe("a token that the server refuses", () => {
  test("I10: is replaced once for hundreds of calls at a time, and each of them is served", {
    timeout: 60_000,
  }, async () => {
    await using all = await start({ bad: 1 });
    const outcomes = await Promise.all(Array.from({ length: 300 }, () => ping(all.channels, patient())));
    expect(new Set(outcomes)).toEqual(new Set(["OK"]));
    expect(all.issuer.requests).toBe(2);
    expect(all.pings.handled).toHaveLength(300);
  });
  test("I10: costs one token request, and then the error, where the server refuses every one", {
    timeout: 60_000,
  }, async () => {
    await using all = await start({ bad: Number.POSITIVE_INFINITY });
    const refused = "UNAUTHENTICATED CREDENTIAL_INVALID";
    expect(await ping(all.channels)).toBe(refused);
    expect([all.issuer.requests, all.pings.events.length]).toEqual([2, 2]);
    const outcomes = await Promise.all(Array.from({ length: 100 }, () => ping(all.channels, patient())));
    expect(new Set(outcomes)).toEqual(new Set([refused]));
    expect([all.issuer.requests, all.pings.events.length]).toEqual([2, 2 + 100]);
    all.state.nowMs += 30_000;
    const later = await Promise.all(Array.from({ length: 100 }, () => ping(all.channels, patient())));
    expect(new Set(later)).toEqual(new Set([refused]));
    expect(all.issuer.requests).toBe(3);
    expect(all.pings.handled).toEqual([]);
  });
  test("is replaced for the next call where the refused one was a stream of requests", async () => {
    await using all = await start({ bad: 1 });
    const bytes = (value: Buffer) => value;
    const { promise, resolve } = Promise.withResolvers<string>();
    const call = clientOf(all.channels).makeBidiStreamRequest(
      "/zerotrust.testkit.v1.PingService/PingEach",
      bytes,
      bytes,
    );
    call.on("error", () => undefined).on("status", (outcome: StatusObject) => resolve(outcomeOf(outcome)));
    call.resume();
    expect(await promise).toBe("UNAUTHENTICATED CREDENTIAL_INVALID");
    expect(all.pings.events).toHaveLength(1);
    expect(await ping(all.channels)).toBe("OK");
    expect([all.issuer.requests, all.pings.events.length]).toEqual([2, 2]);
  });
  test("is not asked for again where another thing is wrong: the scope", async () => {
    await using all = await start({ bad: 0, scope: "write:test" });
    expect(await ping(all.channels)).toBe("PERMISSION_DENIED SCOPE_MISSING");
    expect([all.issuer.requests, all.pings.events.length]).toEqual([1, 1]);
  });
  test("I8: is all there is where the issuer is down: the call fails, and says why and since when", async () => {
    await using all = await start({ bad: 1 });
    const { answer } = all.issuer;
    all.issuer.answer = (req, res) => {
      all.issuer.answer = json({}, 503);
      answer(req, res);
    };
    const { promise, resolve } = Promise.withResolvers<string>();
    const bytes = (value: Buffer) => value;
    const deadline = Date.now() + 10_000;
    const path = "/zerotrust.testkit.v1.PingService/Ping";
    clientOf(all.channels).makeUnaryRequest(path, bytes, bytes, Buffer.alloc(0), { deadline }, (error) =>
      resolve(error?.details ?? ""),
    );
    expect(await promise).toMatch(
      /The token endpoint 127\.0\.0\.1:\d+ refused client order-service a token: status 503, since 20/,
    );
    // Nothing is sent without a token.
    expect(await ping(all.channels)).toBe("UNAVAILABLE");
    expect(all.pings.events).toHaveLength(1);
  });
});
