// What our own client does to our own server when that is in trouble: a second attempt is no replay, and no second effect.
import { randomBytes } from "node:crypto";
import { type Metadata, Server, status } from "@grpc/grpc-js";
import { Credential, definePolicy } from "@zero-trust/auth";
import { connect, hmac as sign } from "@zero-trust/auth/client";
import { type DecisionEvent, hmac, memoryNonceStore, protect, signingSecret } from "@zero-trust/auth/server";
import { identityFromMemory, mutualTlsChannels, mutualTlsServer } from "@zero-trust/mtls";
import { addService, type Client, callLimits, createClient, RpcError, serviceConfig } from "@zero-trust/rpc";
import { createCa, PingService, pingHandlers } from "@zero-trust/testkit";
import { expect, test } from "vitest";

const trustDomain = "production.internal";
const audience = "https://ping.production.internal";
const newSecret = () => `hs-${randomBytes(32).toString("base64url")}`;
const signing = { keyId: "hk-partner0", secret: newSecret() };
const signed = [{ credentials: [Credential.HMAC], scopes: ["read:test"] }];
const policy = definePolicy(PingService, {
  ping: signed,
  pingMany: signed,
  pingSum: [{ credentials: [Credential.MTLS], scopes: ["read:test"] }],
  pingEach: [{ credentials: [Credential.MTLS], scopes: ["read:test"] }],
});

/** A server that asks for signatures, whose handlers fail as told before they serve. */
interface FailingServer extends AsyncDisposable {
  readonly client: Client<typeof PingService>;
  /** The hashes of the nonces that were claimed. */
  readonly nonces: readonly string[];
  readonly decisions: readonly DecisionEvent[];
  /** How often a handler did what it was asked to. */
  readonly effects: () => number;
  /** How often a handler was called. */
  readonly handled: () => number;
}

async function startFailing(
  failures: readonly status[],
  options: { readonly secret?: string } = {},
): Promise<FailingServer> {
  const ca = await createCa();
  const issue = async (workload: string) =>
    identityFromMemory(await ca.issue({ spiffeId: `spiffe://${trustDomain}/${workload}` }));
  const nonces: string[] = [];
  const decisions: DecisionEvent[] = [];
  const left = [...failures];
  let handled = 0;
  let effects = 0;
  const serve = (): void => {
    handled += 1;
    const code = left.shift();
    if (code !== undefined) throw new RpcError(code, "Not now.");
    effects += 1;
  };
  // Started a minute ago: a store that has just started refuses what it cannot know.
  const store = memoryNonceStore({ now: () => Date.now() - 60_000 });
  const key = {
    id: signing.keyId,
    client: "partner",
    audience,
    scopes: new Set(["read:test"]),
    secret: signingSecret(signing.secret),
  };
  const guard = protect({
    trustDomain,
    policies: [policy],
    grants: { current: () => new Map() },
    credentials: [
      hmac({
        keys: { find: (id) => (id === key.id ? key : undefined) },
        nonces: {
          claim: (use) => {
            nonces.push(use.hash);
            return store.claim(use);
          },
        },
        audience,
      }),
    ],
    onDecision: (event) => void decisions.push(event),
  });
  const server = new Server({ interceptors: [callLimits(), guard] });
  addService(server, PingService, {
    ...pingHandlers<Metadata>(),
    ping({ text }) {
      serve();
      return { text };
    },
    async *pingMany({ text }) {
      serve();
      yield { text };
    },
  });
  const listener = mutualTlsServer({ identity: await issue("ping-service"), server });
  const port = await listener.listen({ host: "127.0.0.1", port: 0 });
  const channels = mutualTlsChannels({
    identity: await issue("partner"),
    target: `127.0.0.1:${port}`,
    serverId: `spiffe://${trustDomain}/ping-service`,
    channelOptions: { "grpc.service_config": serviceConfig([PingService]) },
  });
  const credentials = [sign({ ...signing, ...options })];
  return {
    client: createClient(PingService, connect({ channels, credentials })),
    nonces,
    decisions,
    effects: () => effects,
    handled: () => handled,
    async [Symbol.asyncDispose]() {
      channels.close();
      await listener.close();
      server.forceShutdown();
    },
  };
}

type Call = (client: Client<typeof PingService>) => Promise<string>;
const ping: Call = async (client) => (await client.ping({ text: "hello" })).text;
const pingMany: Call = async (client) => {
  const texts: string[] = [];
  for await (const { text } of client.pingMany({ text: "hello" })) texts.push(text);
  return texts.join();
};
const calls = [
  ["unary", ping],
  ["server-streaming", pingMany],
] as const;

test.each(calls)(
  "H13: a signed call (%s) that is tried again is served once, and is no replay",
  async (_kind, call) => {
    await using server = await startFailing([status.UNAVAILABLE, status.UNAVAILABLE]);
    expect(await call(server.client)).toBe("hello");
    expect([server.handled(), server.effects()]).toEqual([3, 1]);
    expect(server.decisions.map(({ outcome }) => outcome)).toEqual(["allowed", "allowed", "allowed"]);
    expect(new Set(server.nonces).size).toBe(3);
  },
);

test.each([status.UNAUTHENTICATED, status.PERMISSION_DENIED])(
  "H13: a signed call that a handler refuses (%s) is made once",
  async (code) => {
    await using server = await startFailing([code]);
    await expect(ping(server.client)).rejects.toMatchObject({ code });
    expect([server.handled(), server.effects(), server.nonces.length]).toEqual([1, 0, 1]);
  },
);

test.each(calls)("H13: a call (%s) with a wrong signature is made once, and uses up no nonce", async (_kind, call) => {
  await using server = await startFailing([], { secret: newSecret() });
  await expect(call(server.client)).rejects.toMatchObject({ code: status.UNAUTHENTICATED });
  expect(server.decisions).toMatchObject([{ outcome: "refused", reason: "CREDENTIAL_INVALID" }]);
  expect([server.handled(), server.nonces.length]).toEqual([0, 0]);
});
