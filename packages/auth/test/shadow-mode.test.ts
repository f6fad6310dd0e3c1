/* oxlint-disable typescript/no-deprecated -- the deprecated option is what this is about */
import { promisify } from "node:util";
import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceError,
  type sendUnaryData,
  status,
} from "@grpc/grpc-js";
import { createCa } from "@zero-trust/testkit";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { newApiKey } from "../src/api-key/format.ts";
import { connect, hmac } from "../src/client.ts";
import { newSigningKey, signingSecret } from "../src/hmac/keys.ts";
import { Credential, definePolicy, identityOf } from "../src/index.ts";
import * as auth from "../src/server.ts";
import { clientOf, outcomeOf, ping, pingBytes, pingPath } from "./ping-client.ts";
import { idOf, pingDefinition, startPingServer } from "./ping-server.ts";

const { MTLS, API_KEY, HMAC } = Credential;
const audience = "https://ping.production.internal";
const ca = await createCa();
const scopes = new Set(["read:test"]);
const signing = newSigningKey();
const signingKey = {
  id: signing.id,
  client: "order-service",
  audience,
  scopes,
  secret: signingSecret(signing.secret.expose()),
};
const state = { grants: new Map([[idOf("order-service"), { client: "order-service", scopes }]]) };
const grants = { current: () => state.grants };
const definition = {
  Echo: {
    path: pingPath,
    requestStream: false,
    responseStream: false,
    requestSerialize: (value: Buffer) => value,
    requestDeserialize: (value: Buffer) => value,
    responseSerialize: (value: Buffer) => value,
    responseDeserialize: (value: Buffer) => value,
  },
} as const;
const verifiers = () => [
  auth.apiKey({ keys: { find: () => undefined }, audience }),
  auth.hmac({
    keys: { find: (id) => (id === signing.id ? signingKey : undefined) },
    nonces: auth.memoryNonceStore({ now: () => Date.now() - 600_000 }),
    audience,
  }),
];
const warning = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
beforeEach(() => {
  warning.mockClear();
  state.grants = new Map([[idOf("order-service"), { client: "order-service", scopes }]]);
});

/** A server in shadow mode, whose handler tells the metadata that it got and who it thinks is calling. */
async function startShadow(...rules: Credential[][]) {
  const events: auth.DecisionEvent[] = [];
  const policies = [
    definePolicy(definition, { Echo: rules.map((it) => ({ credentials: it, scopes: ["read:test"] })) }),
  ];
  const guard = auth.protect({
    trustDomain: "production.internal",
    policies: rules.length === 0 ? [] : policies,
    grants,
    credentials: verifiers(),
    onDecision: (event) => void events.push(event),
    [auth.unsafeShadowMode]: true,
  });
  return { guard, events };
}

describe("in shadow mode", () => {
  const start = (...rules: Credential[][]) => {
    const all = rules.map((it) => ({ credentials: it, scopes: ["read:test"] }));
    const other = [{ credentials: [MTLS], scopes: [] }];
    return startPingServer(ca, {
      policies: [definePolicy(pingDefinition, { Ping: all, PingMany: other, PingSum: other, PingEach: other })],
      grants,
      credentials: verifiers(),
      anonymous: true,
      [auth.unsafeShadowMode]: true,
    });
  };
  test("a call that would be refused is let in, logged as such, and has no identity", async () => {
    await using server = await start([MTLS]);
    expect(await ping(await server.channels("stranger"))).toBe("OK");
    expect(await ping(await server.channels("order-service"))).toBe("OK");
    expect(server.events).toMatchObject([
      { outcome: "would-refuse", reason: "PEER_NOT_GRANTED", cause: expect.stringMatching(/grants/), shadow: true },
      { outcome: "allowed", client: "order-service", shadow: true },
    ]);
    expect(server.identities).toEqual([undefined, "order-service"]);
  });
  test("metadata stays as it came, credentials too", async () => {
    await using server = await start([API_KEY]);
    const metadata = { "x-api-key": newApiKey("live").key.expose(), "x-client-cn": "me", authorization: "Basic eDp5" };
    expect(await ping(await server.channels("stranger"), { metadata })).toBe("OK");
    expect(server.seen).toEqual(expect.arrayContaining(Object.keys(metadata)));
    expect(server.events).toMatchObject([{ outcome: "would-refuse", reason: "CREDENTIAL_INVALID" }]);
  });
  test("signatures are checked, with their messages, and good ones make an identity", async () => {
    await using server = await start([HMAC]);
    const channels = await server.channels("anybody");
    const signed = connect({ channels, credentials: [hmac({ keyId: signing.id, secret: signing.secret })] });
    expect(await ping(signed)).toBe("OK");
    expect(server.seen).toEqual(expect.arrayContaining(["x-api-key", "x-signature"]));
    const forged = connect({
      channels,
      credentials: [hmac({ keyId: signing.id, secret: newSigningKey().secret })],
    });
    expect(await ping(forged)).toBe("OK");
    expect(server.handled).toEqual(["hello", "hello"]);
    expect(server.events).toMatchObject([
      { outcome: "allowed" },
      { outcome: "would-refuse", reason: "CREDENTIAL_INVALID" },
    ]);
    expect(server.identities).toEqual(["order-service", undefined]);
  });
  test("what cannot be checked or logged is let in all the same", async () => {
    const all = [{ credentials: [MTLS], scopes: ["read:test"] }];
    const policies = [definePolicy(pingDefinition, { Ping: all, PingMany: all, PingSum: all, PingEach: all })];
    for (const broken of [
      { now: () => Number.NaN },
      {
        grants: {
          current: (): never => {
            throw new Error("down");
          },
        },
      },
      { onDecision: () => Promise.reject(new Error("disk full")) },
    ]) {
      await using server = await startPingServer(ca, {
        policies,
        grants,
        credentials: [],
        anonymous: true,
        [auth.unsafeShadowMode]: true,
        ...broken,
      });
      expect(await ping(await server.channels("order-service"))).toBe("OK");
    }
  });
  test("a stream that would be ended goes on, and is logged once", async () => {
    const all = [{ credentials: [MTLS], scopes: ["read:test"] }];
    await using server = await startPingServer(ca, {
      policies: [definePolicy(pingDefinition, { Ping: all, PingMany: all, PingSum: all, PingEach: all })],
      grants,
      credentials: [],
      holding: true,
      [auth.unsafeShadowMode]: true,
    });
    const bytes = (value: Buffer) => value;
    const call = clientOf(await server.channels("order-service")).makeBidiStreamRequest(
      pingPath.replace(/Ping$/, "PingEach"),
      bytes,
      bytes,
    );
    let ended: string | undefined;
    call.on("error", (error: ServiceError) => {
      ended = outcomeOf(error);
    });
    call.resume();
    await vi.waitUntil(() => server.held.length === 1, { timeout: 15_000 });
    state.grants = new Map();
    await vi.waitUntil(() => server.events.length === 2, { timeout: 15_000 });
    // Another round, which says nothing new.
    const probe = clientOf(await server.channels("order-service")).makeBidiStreamRequest(
      pingPath.replace(/Ping$/, "PingEach"),
      bytes,
      bytes,
    );
    probe.on("error", () => undefined).resume();
    await vi.waitUntil(() => server.events.length === 3, { timeout: 15_000 });
    expect(server.events).toMatchObject([
      { outcome: "allowed", shadow: true },
      { outcome: "would-end", reason: "PEER_NOT_GRANTED", shadow: true },
      { outcome: "would-refuse", reason: "PEER_NOT_GRANTED", shadow: true },
    ]);
    expect([ended, server.held[0]?.cancelled]).toEqual([undefined, false]);
    call.cancel();
    probe.cancel();
  });
  test("a running service without certificates, or without policies, goes on", async () => {
    for (const rules of [[], [[MTLS]]]) {
      const { guard, events } = await startShadow(...rules);
      const server = new Server({ interceptors: [guard] });
      server.addService(definition, {
        Echo: (call: { request: Buffer; metadata: Metadata }, callback: sendUnaryData<Buffer>) => {
          expect(() => identityOf(call.metadata)).toThrow(/no identity/);
          callback(null, call.request);
        },
      });
      const port = await promisify(server.bindAsync.bind(server))("127.0.0.1:0", ServerCredentials.createInsecure());
      const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
      const answer = await new Promise((resolve) => {
        const echo = definition.Echo;
        client.makeUnaryRequest(
          echo.path,
          echo.requestSerialize,
          echo.responseDeserialize,
          pingBytes(),
          new Metadata(),
          (error, value) => resolve(error === null ? value : status[error.code]),
        );
      });
      expect(answer).toEqual(pingBytes());
      expect(events).toMatchObject([{ outcome: "would-refuse", reason: "PEER_INVALID" }]);
      client.close();
      server.forceShutdown();
    }
  });
});

describe("shadow mode", () => {
  const options = {
    trustDomain: "production.internal",
    policies: [],
    grants,
    credentials: [],
    onDecision: () => undefined,
  };
  test("is loud, once for each protect()", () => {
    auth.protect({ ...options, [auth.unsafeShadowMode]: true });
    expect(warning).toHaveBeenCalledExactlyOnceWith(
      expect.stringMatching(/lets every call in/),
      expect.objectContaining({ type: "SecurityWarning" }),
    );
  });
  test("cannot be had by a name, from JSON, or by anything but true", async () => {
    const json = JSON.parse(
      '{"unsafeShadowMode":true,"shadow":true,"shadowMode":true,"Symbol(unsafeShadowMode)":true,"__proto__":{"shadow":true}}',
    ) as object;
    const named = { [auth.unsafeShadowMode.description ?? ""]: true, [String(auth.unsafeShadowMode)]: true };
    const others = ["true", 1, {}].map((value) => ({ [auth.unsafeShadowMode]: value as true }));
    for (const tried of [json, named, ...others, { [Symbol.for(auth.unsafeShadowMode.description ?? "")]: true }]) {
      const rules = [{ credentials: [MTLS], scopes: [] }];
      await using server = await startPingServer(ca, {
        policies: [definePolicy(pingDefinition, { Ping: rules, PingMany: rules, PingSum: rules, PingEach: rules })],
        grants,
        credentials: [],
        ...tried,
      });
      expect(await ping(await server.channels("stranger"))).toBe("PERMISSION_DENIED PEER_NOT_GRANTED");
      expect(server.events[0]?.shadow).toBe(undefined);
    }
    expect(warning).not.toHaveBeenCalled();
  });
});
