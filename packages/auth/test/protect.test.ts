import {
  type Client,
  Metadata,
  ServerInterceptingCall,
  type ServerInterceptor,
  type ServiceError,
} from "@grpc/grpc-js";
import { createCa, createTokenIssuer, type TestCa } from "@zero-trust/testkit";
import { beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { newApiKey } from "../src/api-key/format.ts";
import type { ApiKeyRecord } from "../src/api-key/records.ts";
import { apiKey, bearer, connect, hmac } from "../src/client.ts";
import { newSigningKey, signingSecret } from "../src/hmac/keys.ts";
import { Credential, definePolicy, identityOf, type Rule } from "../src/index.ts";
import * as server from "../src/server.ts";
import { knownKeys } from "./known-keys.ts";
import { type Channels, clientOf, outcomeOf, ping, pingBytes, pingPath } from "./ping-client.ts";
import { idOf, type PingServer, pingDefinition, startPingServer } from "./ping-server.ts";

const { MTLS, API_KEY, BEARER, HMAC } = Credential;
const audience = "https://ping.production.internal";
const rule = (...credentials: Credential[]): Rule => ({ credentials, scopes: ["read:test"] });
/** One policy for Ping; the streams take any credential that they can. */
const policies = (...rules: Rule[]) => [
  definePolicy(pingDefinition, {
    Ping: rules,
    PingMany: [rule(HMAC)],
    PingSum: [rule(BEARER)],
    PingEach: [rule(BEARER)],
  }),
];

const tokens = await createTokenIssuer({ issuer: "https://issuer.production.internal" });
const jwks = await knownKeys(tokens.jwks);
const key = newApiKey("live");
const signing = newSigningKey();
const lookups: string[] = [];
let claims = 0;

const scopes = new Set(["read:test"]);
const record: ApiKeyRecord = {
  id: key.id,
  client: "order-service",
  audience,
  scopes,
  secrets: [{ sha256: key.sha256 }],
};
const grants = {
  current: () =>
    new Map([
      [idOf("order-service"), { client: "order-service", scopes }],
      [idOf("idle"), { client: "idle", scopes: new Set<string>() }],
    ]),
};
const find = (id: string) => {
  lookups.push(id);
  return id === key.id ? record : undefined;
};
const signingKey = { id: signing.id, client: "order-service", audience, scopes, secret: signingSecret(signing.secret) };
const nonceStore = () => {
  const store = server.memoryNonceStore({ now: () => Date.now() - 60_000 });
  return {
    claim: (use: server.NonceUse) => {
      claims += 1;
      return store.claim(use);
    },
  };
};
const verifiers = () => [
  server.apiKey({ keys: { find }, audience }),
  server.bearer({ issuer: tokens.issuer, audience, keys: jwks }),
  server.hmac({ keys: { find: (id) => (id === signing.id ? signingKey : undefined) }, nonces: nonceStore(), audience }),
];

let ca: TestCa;
beforeAll(async () => {
  ca = await createCa();
});
beforeEach(() => {
  lookups.length = 0;
  claims = 0;
});

const withKey = (channels: Awaited<ReturnType<PingServer["channels"]>>, text = key.key) =>
  connect({ channels, credentials: [apiKey({ key: text })] });
const withSignature = (channels: Awaited<ReturnType<PingServer["channels"]>>) =>
  connect({ channels, credentials: [hmac({ keyId: signing.id, secret: signing.secret })] });
const presentSignature = (path = pingPath) =>
  hmac({ keyId: signing.id, secret: signing.secret }).present({ path, message: async () => pingBytes() });

describe("the peer", () => {
  test("is let in by its grants, and is the client that they name", async () => {
    await using ping1 = await startPingServer(ca, { policies: policies(rule(MTLS)), grants, credentials: verifiers() });
    expect(await ping(await ping1.channels("order-service"))).toBe("OK");
    expect(ping1.events).toMatchObject([
      { outcome: "allowed", peer: idOf("order-service"), client: "order-service", rule: "MTLS read:test" },
    ]);
    expect(ping1.handled).toEqual(["hello"]);
  });
  test("without grants, or with too few, is refused before a key store is asked or a nonce spent", async () => {
    await using server1 = await startPingServer(ca, {
      policies: policies(rule(MTLS, API_KEY), rule(MTLS, HMAC)),
      grants,
      credentials: verifiers(),
    });
    for (const workload of ["stranger", "idle"]) {
      expect(await ping(withKey(await server1.channels(workload)))).toBe("PERMISSION_DENIED PEER_NOT_GRANTED");
      expect(await ping(withSignature(await server1.channels(workload)))).toBe("PERMISSION_DENIED PEER_NOT_GRANTED");
    }
    expect([lookups, claims, server1.handled]).toEqual([[], 0, []]);
  });
  test("is not believed what it claims in metadata, and the handler does not see it", async () => {
    await using server1 = await startPingServer(ca, {
      policies: policies(rule(MTLS)),
      grants,
      credentials: verifiers(),
    });
    const metadata = {
      "x-client-cn": "order-service",
      "x-forwarded-client-cert": "URI=spiffe://production.internal/order-service",
    };
    expect(await ping(await server1.channels("stranger"), { metadata })).toBe("PERMISSION_DENIED PEER_NOT_GRANTED");
    expect(await ping(await server1.channels("order-service"), { metadata: { ...metadata, "x-trace": "1" } })).toBe(
      "OK",
    );
    expect(server1.seen).toContain("x-trace");
    expect(server1.seen).not.toContain("x-client-cn");
    expect(server1.seen).not.toContain("x-forwarded-client-cert");
  });
  test("of another trust domain is nobody", async () => {
    await using server1 = await startPingServer(ca, {
      trustDomain: "staging.internal",
      policies: policies(rule(MTLS)),
      grants,
      credentials: verifiers(),
    });
    expect(await ping(await server1.channels("order-service"))).toBe("UNAUTHENTICATED PEER_INVALID");
  });
  test("whose certificate expires on a live connection is nobody from then on", async () => {
    let ahead = 0;
    await using server1 = await startPingServer(ca, {
      policies: policies(rule(MTLS)),
      grants,
      credentials: verifiers(),
      now: () => Date.now() + ahead,
    });
    const channels = await server1.channels("order-service");
    expect(await ping(channels)).toBe("OK");
    ahead = 25 * 3_600_000;
    expect(await ping(channels)).toBe("UNAUTHENTICATED PEER_INVALID");
  });
});

describe("API keys", () => {
  const start = () => startPingServer(ca, { policies: policies(rule(API_KEY)), grants, credentials: verifiers() });
  test("let their client in", async () => {
    await using server1 = await start();
    expect(await ping(withKey(await server1.channels("anybody")))).toBe("OK");
    expect(server1.events).toMatchObject([
      { client: "order-service", credentials: ["API_KEY"], credentialIds: [key.id] },
    ]);
  });
  test("that are missing, malformed, several or of the other mode cost no look-up", async () => {
    await using server1 = await start();
    const channels = await server1.channels("anybody");
    expect(await ping(channels)).toBe("UNAUTHENTICATED CREDENTIAL_MISSING");
    const text = key.key.expose();
    const typo = text.slice(0, -1) + (text.endsWith("0") ? "1" : "0");
    for (const value of ["", "sk-live-x", typo, signing.id, newApiKey("test").key.expose(), [text, text]]) {
      expect(await ping(channels, { metadata: { "x-api-key": value } })).toBe("UNAUTHENTICATED CREDENTIAL_INVALID");
    }
    expect([lookups, server1.handled]).toEqual([[], []]);
  });
  test("that are unknown get the answer that a wrong secret gets", async () => {
    await using server1 = await start();
    const channels = await server1.channels("anybody");
    expect(await ping(withKey(channels, newApiKey("live").key))).toBe("UNAUTHENTICATED CREDENTIAL_INVALID");
    expect(lookups).toHaveLength(1);
    const events = JSON.stringify(server1.events);
    expect(events).toContain("no such API key");
    expect(events).not.toContain("sk-live");
  });
  test.each([
    ["revoked", { revokedAtMs: 1 }, "UNAUTHENTICATED CREDENTIAL_INVALID"],
    ["expired", { expiresAtMs: 1 }, "UNAUTHENTICATED CREDENTIAL_INVALID"],
    ["for another service", { audience: "https://order.production.internal" }, "UNAUTHENTICATED CREDENTIAL_INVALID"],
    ["for another workload", { workloads: new Set([idOf("somebody")]) }, "UNAUTHENTICATED CREDENTIAL_INVALID"],
    ["for this workload", { workloads: new Set([idOf("anybody")]) }, "OK"],
    ["with a wrong secret", { secrets: [{ sha256: "00".repeat(32) }] }, "UNAUTHENTICATED CREDENTIAL_INVALID"],
    ["in rotation", { secrets: [{ sha256: "00".repeat(32) }, { sha256: key.sha256 }] }, "OK"],
    ["without the scope", { scopes: new Set(["other"]) }, "PERMISSION_DENIED SCOPE_MISSING"],
  ])("that are %s: %s", async (_name, changes, expected) => {
    const keys = { find: () => ({ ...record, ...changes }) };
    const credentials = [server.apiKey({ keys, audience }), ...verifiers().slice(1)];
    await using server1 = await startPingServer(ca, { policies: policies(rule(API_KEY)), grants, credentials });
    expect(await ping(withKey(await server1.channels("anybody")))).toBe(expected);
  });
});

describe("signed requests", () => {
  const start = () => startPingServer(ca, { policies: policies(rule(HMAC)), grants, credentials: verifiers() });
  test("are let in, and the same bytes are not let in again", async () => {
    await using server1 = await start();
    const channels = await server1.channels("anybody");
    const metadata = await presentSignature();
    expect(await ping(channels, { metadata })).toBe("OK");
    expect(await ping(channels, { metadata })).toBe("UNAUTHENTICATED CREDENTIAL_REPLAYED");
    expect(server1.handled).toEqual(["hello"]);
    expect(server1.seen.filter((key) => Object.hasOwn(metadata, key))).toEqual([]);
  });
  test("are refused for another message or method, before anything is decoded or a nonce spent", async () => {
    await using server1 = await start();
    const channels = await server1.channels("anybody");
    expect(
      await ping(channels, { metadata: await presentSignature(), message: Buffer.from("not protobuf at all") }),
    ).toBe("UNAUTHENTICATED CREDENTIAL_INVALID");
    expect(await ping(channels, { metadata: await presentSignature("/other.Service/Method") })).toBe(
      "UNAUTHENTICATED CREDENTIAL_INVALID",
    );
    expect(await ping(channels, { metadata: { "x-api-key": signing.id } })).toBe("UNAUTHENTICATED CREDENTIAL_INVALID");
    expect([claims, server1.handled]).toEqual([0, []]);
  });
  test("without their message are no signed requests", async () => {
    await using server1 = await start();
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(await presentSignature())) metadata.set(name, value);
    expect(await withoutMessage(await server1.channels("anybody"), metadata)).toBe(
      "UNAUTHENTICATED CREDENTIAL_INVALID",
    );
    expect([claims, server1.events.length]).toEqual([0, 1]);
  });
  test("that are cancelled before their message are abandoned, not forged", async () => {
    const looked = Promise.withResolvers<void>();
    const keys = {
      find: () => {
        looked.resolve();
        return signingKey;
      },
    };
    const credentials = [...verifiers().slice(0, 2), server.hmac({ keys, nonces: nonceStore(), audience })];
    await using server1 = await startPingServer(ca, { policies: policies(rule(HMAC)), grants, credentials });
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(await presentSignature())) metadata.set(name, value);
    const bytes = (value: Buffer) => value;
    const client = clientOf(await server1.channels("anybody"));
    const call = client.makeClientStreamRequest(pingPath, bytes, bytes, metadata, () => undefined);
    await looked.promise;
    call.cancel();
    await vi.waitFor(() => expect(server1.events).toHaveLength(1));
    expect(server1.events).toMatchObject([{ outcome: "abandoned" }]);
  });
  test("may be empty, and cover every byte that was sent", async () => {
    await using server1 = await start();
    expect(await ping(withSignature(await server1.channels("anybody")), { message: Buffer.alloc(0) })).toBe("OK");
    const unknownFields = Buffer.concat([pingBytes(), Buffer.from("9a0603616263", "hex")]);
    expect(await ping(withSignature(await server1.channels("anybody")), { message: unknownFields })).toBe("OK");
  });
  test("that are no message of the method are INTERNAL, without a word", async () => {
    await using server1 = await start();
    expect(await ping(withSignature(await server1.channels("anybody")), { message: Buffer.from("ffff", "hex") })).toBe(
      "INTERNAL",
    );
    expect(await ping(withSignature(await server1.channels("anybody")))).toBe("OK");
  });
  test("are shown to interceptors behind the guard once they are let in, with an identity and without their signatures", async () => {
    const shown: string[] = [];
    const behind: ServerInterceptor = (_method, call) =>
      new ServerInterceptingCall(call, {
        start: (next) =>
          next({
            onReceiveMetadata: (metadata, pass) => {
              shown.push([identityOf(metadata).client, ...Object.keys(metadata.getMap())].join(" "));
              // Not at once, as where it asks somebody.
              setImmediate(() => pass(metadata));
            },
          }),
      });
    await using server1 = await startPingServer(ca, {
      policies: policies(rule(HMAC)),
      grants,
      credentials: verifiers(),
      behind,
    });
    const channels = await server1.channels("anybody");
    const forged = ping(channels, { metadata: await presentSignature(), message: pingBytes({ text: "other" }) });
    expect(await forged).toBe("UNAUTHENTICATED CREDENTIAL_INVALID");
    expect(shown).toEqual([]);
    expect(await ping(withSignature(channels))).toBe("OK");
    const path = "/zerotrust.testkit.v1.PingService/PingMany";
    expect(await stream(withSignature(channels), path)).toBe("OK");
    expect(shown).toEqual(["order-service user-agent", "order-service user-agent"]);
  });
  test("go with server streams", async () => {
    await using server1 = await start();
    const path = "/zerotrust.testkit.v1.PingService/PingMany";
    expect(await stream(withSignature(await server1.channels("anybody")), path)).toBe("OK");
    expect(await stream(await server1.channels("anybody"), path)).toBe("UNAUTHENTICATED CREDENTIAL_MISSING");
  });
  test("have a fresh nonce at each attempt, so that our own retry is no replay", async () => {
    let attempts = 0;
    const flaky = {
      claim: () => {
        attempts += 1;
        return attempts === 1 ? ("early" as const) : ("new" as const);
      },
    };
    const credentials = [
      ...verifiers().slice(0, 2),
      server.hmac({ keys: { find: () => signingKey }, nonces: flaky, audience }),
    ];
    await using server1 = await startPingServer(ca, { policies: policies(rule(HMAC)), grants, credentials });
    const { target } = await server1.channels("anybody");
    const { identityFromMemory, mutualTlsChannels } = await import("@zero-trust/mtls");
    const retryPolicy = {
      maxAttempts: 3,
      initialBackoff: "0.01s",
      maxBackoff: "0.02s",
      backoffMultiplier: 1,
      retryableStatusCodes: ["UNAVAILABLE"],
    };
    const channelOptions = { "grpc.service_config": JSON.stringify({ methodConfig: [{ name: [{}], retryPolicy }] }) };
    const identity = identityFromMemory(await ca.issue({ spiffeId: idOf("anybody") }));
    const channels = mutualTlsChannels({ identity, target, serverId: idOf("ping-service"), channelOptions });
    expect(await ping(withSignature(channels))).toBe("OK");
    channels.close();
    expect(attempts).toBe(2);
    expect(server1.handled).toEqual(["hello"]);
  });
});

describe("bearer tokens", () => {
  const start = () => startPingServer(ca, { policies: policies(rule(BEARER)), grants, credentials: verifiers() });
  const tokenFor = async (thumbprint: string, changes: Record<string, unknown> = {}) =>
    tokens.sign({
      aud: audience,
      sub: "storefront",
      client_id: "storefront",
      scope: "read:test",
      cnf: { "x5t#S256": thumbprint },
      ...changes,
    });
  async function connectAs(
    server1: PingServer,
    thumbprintOf: (own: string) => string,
    changes: Record<string, unknown> = {},
  ) {
    const { identityFromMemory, mutualTlsChannels } = await import("@zero-trust/mtls");
    const identity = identityFromMemory(await ca.issue({ spiffeId: idOf("storefront") }));
    const { target } = await server1.channels("x");
    const channels = mutualTlsChannels({ identity, target, serverId: idOf("ping-service") });
    const token = await tokenFor(thumbprintOf(identity.thumbprint), changes);
    return connect({ channels, credentials: [bearer({ tokens: { token: async () => token } })] });
  }
  test("let their client in on the connection that they are bound to, and on no other", async () => {
    await using server1 = await start();
    expect(await ping(await connectAs(server1, (own) => own))).toBe("OK");
    expect(await ping(await connectAs(server1, () => "A".repeat(43)))).toBe("UNAUTHENTICATED CREDENTIAL_INVALID");
    expect(server1.events.map(({ client, outcome }) => [client, outcome])).toEqual([
      ["storefront", "allowed"],
      [undefined, "refused"],
    ]);
  });
  test("carry scopes, and an expired one brings the server's time", async () => {
    await using server1 = await start();
    expect(await ping(await connectAs(server1, (own) => own, { scope: "read:testing" }))).toBe(
      "PERMISSION_DENIED SCOPE_MISSING",
    );
    const iat = Math.floor(Date.now() / 1000) - 310;
    expect(await ping(await connectAs(server1, (own) => own, { iat, exp: iat + 300 }))).toBe(
      "UNAUTHENTICATED CREDENTIAL_EXPIRED",
    );
  });
  test("go with client streams", async () => {
    await using server1 = await start();
    expect(await sum(await connectAs(server1, (own) => own))).toBe("OK");
    expect(await sum(await server1.channels("storefront"))).toBe("UNAUTHENTICATED CREDENTIAL_MISSING");
  });
  test("go with bidi streams, where nothing reaches the handler of a refused one", async () => {
    await using server1 = await start();
    const path = "/zerotrust.testkit.v1.PingService/PingEach";
    expect(await bidi(await connectAs(server1, (own) => own), path)).toBe("OK");
    expect(await bidi(await server1.channels("storefront"), path)).toBe("UNAUTHENTICATED CREDENTIAL_MISSING");
  });
});

describe("fails closed", () => {
  const dependencies: [string, () => never | Promise<never>][] = [
    [
      "throws",
      () => {
        throw new Error("down");
      },
    ],
    ["rejects", () => Promise.reject(new Error("down"))],
    ["hangs", () => new Promise<never>(() => undefined)],
  ];
  test.each(dependencies)("where a key store %s", async (_name, broken) => {
    const credentials = [server.apiKey({ keys: { find: broken }, audience }), ...verifiers().slice(1)];
    await using server1 = await startPingServer(ca, {
      policies: policies(rule(API_KEY)),
      grants,
      credentials,
      decisionTimeoutMs: 50,
    });
    expect(await ping(withKey(await server1.channels("anybody")))).toBe("UNAVAILABLE CHECK_UNAVAILABLE");
    expect(server1.handled).toEqual([]);
  });
  test.each(dependencies)("where a nonce store %s", async (_name, broken) => {
    const credentials = [
      ...verifiers().slice(0, 2),
      server.hmac({ keys: { find: () => signingKey }, nonces: { claim: broken }, audience }),
    ];
    await using server1 = await startPingServer(ca, {
      policies: policies(rule(HMAC)),
      grants,
      credentials,
      decisionTimeoutMs: 50,
    });
    expect(await ping(withSignature(await server1.channels("anybody")))).toBe("UNAVAILABLE CHECK_UNAVAILABLE");
    expect(server1.handled).toEqual([]);
  });
  test.each<[string, () => never | Promise<never> | "full"]>([...dependencies, ["is full", () => "full"]])(
    "as the rules say where a nonce store %s: a rule that needs no signature lets the call in",
    async (_name, claim) => {
      const keys = { find: () => signingKey };
      const credentials = [...verifiers().slice(0, 2), server.hmac({ keys, nonces: { claim }, audience })];
      const options = { policies: policies(rule(MTLS), rule(HMAC)), grants, credentials, decisionTimeoutMs: 50 };
      await using server1 = await startPingServer(ca, options);
      expect(await ping(withSignature(await server1.channels("order-service")))).toBe("OK");
      expect(await ping(withSignature(await server1.channels("anybody")))).toBe("UNAVAILABLE CHECK_UNAVAILABLE");
    },
  );
  test("where the grants cannot be had", async () => {
    const broken = {
      current: (): never => {
        throw new Error("down");
      },
    };
    await using server1 = await startPingServer(ca, {
      policies: policies(rule(MTLS)),
      grants: broken,
      credentials: verifiers(),
    });
    expect(await ping(await server1.channels("order-service"))).toBe("UNAVAILABLE CHECK_UNAVAILABLE");
  });
  test("where the decision log throws, and lives on", async () => {
    const onDecision = () => {
      throw new Error("disk full");
    };
    await using server1 = await startPingServer(ca, {
      policies: policies(rule(MTLS)),
      grants,
      credentials: verifiers(),
      onDecision,
    });
    for (let i = 0; i < 2; i += 1)
      expect(await ping(await server1.channels("order-service"))).toBe("UNAVAILABLE CHECK_UNAVAILABLE");
    expect(server1.handled).toEqual([]);
  });
  test("where a service was registered without its wire bytes", async () => {
    const decoded = { policies: policies(rule(HMAC)), grants, credentials: verifiers(), decoded: true };
    await using server1 = await startPingServer(ca, decoded);
    expect(await ping(withSignature(await server1.channels("anybody")))).toBe("UNAVAILABLE CHECK_UNAVAILABLE");
    expect(server1.handled).toEqual([]);
  });
  test("where a service was registered and has no policy, which is as good as absent", async () => {
    await using server1 = await startPingServer(ca, { policies: [], grants, credentials: verifiers() });
    expect(await ping(await server1.channels("order-service"))).toBe("UNIMPLEMENTED");
    expect(await ping(await server1.channels("stranger"))).toBe("PERMISSION_DENIED PEER_NOT_GRANTED");
    expect(server1.handled).toEqual([]);
    expect(server1.events.map(({ outcome }) => outcome)).toEqual(["refused", "refused"]);
  });
  test("where a handler throws into the interceptor: INTERNAL at once, and in the log", async () => {
    const by = [rule(MTLS)];
    const policy = definePolicy(pingDefinition, { Ping: by, PingMany: by, PingSum: by, PingEach: by });
    const options = { policies: [policy], grants, credentials: verifiers(), throwing: true };
    await using server1 = await startPingServer(ca, options);
    const channels = await server1.channels("order-service");
    expect(await bidi(channels, "/zerotrust.testkit.v1.PingService/PingEach")).toBe("INTERNAL");
    expect(server1.events.map(({ outcome }) => outcome)).toEqual(["allowed", "failed"]);
    expect(await ping(channels)).toBe("OK");
  });
});

function stream(channels: Channels, path: string): Promise<string> {
  const bytes = (value: Buffer) => value;
  const { promise, resolve } = Promise.withResolvers<string>();
  const call = clientOf(channels).makeServerStreamRequest(path, bytes, bytes, Buffer.from("0a0161", "hex"), {
    deadline: Date.now() + 10_000,
  });
  call.on("data", () => undefined);
  call.on("error", (error: ServiceError) => resolve(outcomeOf(error)));
  call.on("end", () => resolve("OK"));
  return promise;
}

function sum(channels: Channels): Promise<string> {
  const bytes = (value: Buffer) => value;
  const { promise, resolve } = Promise.withResolvers<string>();
  const answered = (error: ServiceError | null) => resolve(error === null ? "OK" : outcomeOf(error));
  const path = "/zerotrust.testkit.v1.PingService/PingSum";
  const options = { deadline: Date.now() + 10_000 };
  clientOf(channels).makeClientStreamRequest(path, bytes, bytes, options, answered).end(Buffer.from("0802", "hex"));
  return promise;
}

/** Calls Ping and ends without having sent anything. */
function withoutMessage(channels: Channels, metadata: Metadata): Promise<string> {
  const bytes = (value: Buffer) => value;
  const { promise, resolve } = Promise.withResolvers<string>();
  const options = { deadline: Date.now() + 10_000 };
  const answered = (error: ServiceError | null) => resolve(error === null ? "OK" : outcomeOf(error));
  clientOf(channels).makeClientStreamRequest(pingPath, bytes, bytes, metadata, options, answered).end();
  return promise;
}

function bidi(channels: Channels, path: string): Promise<string> {
  const bytes = (value: Buffer) => value;
  const { promise, resolve } = Promise.withResolvers<string>();
  const call = (clientOf(channels) satisfies Client).makeBidiStreamRequest(path, bytes, bytes, {
    deadline: Date.now() + 10_000,
  });
  call.on("data", () => call.end());
  call.on("error", (error: ServiceError) => resolve(outcomeOf(error)));
  call.on("end", () => resolve("OK"));
  call.write(pingBytes());
  return promise;
}
