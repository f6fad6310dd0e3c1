// A service in this process that asks for signatures, and what came of the attempts at calling it.
import { randomBytes } from "node:crypto";
import { type Metadata, Server, ServerInterceptingCall, type ServerInterceptor } from "@grpc/grpc-js";
import { Credential, definePolicy } from "@zero-trust/auth";
import { connect, hmac as sign } from "@zero-trust/auth/client";
import { type DecisionEvent, hmac, memoryNonceStore, protect, signingSecret } from "@zero-trust/auth/server";
import { identityFromMemory, mutualTlsChannels, mutualTlsServer, type TlsMaterial } from "@zero-trust/mtls";
import { addService, type Client, callLimits, createClient, serviceConfig } from "@zero-trust/rpc";
import { createCa, PingService, pingHandlers, type TestCa } from "@zero-trust/testkit";

const trustDomain = "production.internal";
export const idOf = (workload: string): string => `spiffe://${trustDomain}/${workload}`;
export const newSecret = (): string => `hs-${randomBytes(32).toString("base64url")}`;

const audience = "https://ping.production.internal";
const keyId = "hk-partner0";
const signed = [{ credentials: [Credential.HMAC], scopes: ["read:test"] }];
const open = [{ credentials: [Credential.MTLS], scopes: ["read:test"] }];
const policy = definePolicy(PingService, { ping: signed, pingMany: signed, pingSum: open, pingEach: open });

/** How a client differs from one that does all right. */
export interface SignedClientOptions {
  readonly secret?: string;
  readonly now?: () => number;
  /** `host:port`; the service itself unless given. */
  readonly target?: string;
  /** Of the channel; by default calls are tried again after UNAVAILABLE. */
  readonly serviceConfig?: string;
}

/** What has been seen of an attempt, before anything was decided about it. */
export interface SeenAttempt {
  readonly nonce: string;
  readonly timestamp: string;
}

export interface SignedService extends AsyncDisposable {
  readonly ca: TestCa;
  readonly port: number;
  /** Each attempt that arrived. */
  readonly attempts: readonly SeenAttempt[];
  readonly decisions: readonly DecisionEvent[];
  /** How many nonces were used up. */
  readonly claims: () => number;
  /** How often a handler was called. */
  readonly handled: () => number;
  /** How often a handler did what it was asked to. */
  readonly effects: () => number;
  /** The certificate of the one client there is. */
  readonly partner: TlsMaterial;
  client(options?: SignedClientOptions): Client<typeof PingService>;
}

/**
 * Starts it.
 *
 * @param before - what a handler does before it takes effect, for each attempt in turn: throw, or wait
 */
export async function startSignedService(
  before: (attempt: number, signal: AbortSignal) => Promise<void> | void = () => undefined,
): Promise<SignedService> {
  const ca = await createCa();
  const [ping, partner] = await Promise.all(
    ["ping-service", "partner"].map((name) => ca.issue({ spiffeId: idOf(name) })),
  );
  if (ping === undefined || partner === undefined) throw new TypeError("unreachable");
  const attempts: SeenAttempt[] = [];
  const decisions: DecisionEvent[] = [];
  const running = new AsyncDisposableStack();
  const secret = newSecret();
  // Started an hour ago: a store that has just started refuses what it cannot know.
  const store = memoryNonceStore({ now: () => Date.now() - 3_600_000 });
  let claims = 0;
  let handled = 0;
  let effects = 0;
  const serve = async (signal: AbortSignal): Promise<void> => {
    handled += 1;
    await before(handled, signal);
    effects += 1;
  };
  const seeing: ServerInterceptor = (_method, call) =>
    new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata(metadata: Metadata, go) {
            attempts.push({ nonce: String(metadata.get("x-nonce")), timestamp: String(metadata.get("x-timestamp")) });
            go(metadata);
          },
        }),
    });
  const key = { id: keyId, client: "partner", audience, scopes: new Set(["read:test"]), secret: signingSecret(secret) };
  const guard = protect({
    trustDomain,
    policies: [policy],
    grants: { current: () => new Map() },
    credentials: [
      hmac({
        keys: { find: (id) => (id === key.id ? key : undefined) },
        nonces: {
          claim(use) {
            claims += 1;
            return store.claim(use);
          },
        },
        audience,
      }),
    ],
    onDecision: (event) => void decisions.push(event),
  });
  const server = new Server({ interceptors: [seeing, callLimits(), guard] });
  addService(server, PingService, {
    ...pingHandlers<Metadata>(),
    async ping({ text }, { signal }) {
      await serve(signal);
      return { text };
    },
    async *pingMany({ text }, { signal }) {
      await serve(signal);
      yield { text };
    },
  });
  const listener = mutualTlsServer({ identity: identityFromMemory(ping), server, drainMs: 0 });
  running.defer(() => server.forceShutdown());
  running.defer(() => listener.close());
  const port = await listener.listen({ host: "127.0.0.1", port: 0 });
  return {
    ca,
    port,
    attempts,
    decisions,
    claims: () => claims,
    handled: () => handled,
    effects: () => effects,
    partner,
    client(options = {}) {
      const channels = mutualTlsChannels({
        identity: identityFromMemory(partner),
        target: options.target ?? `127.0.0.1:${port}`,
        serverId: idOf("ping-service"),
        channelOptions: { "grpc.service_config": options.serviceConfig ?? serviceConfig([PingService]) },
      });
      running.defer(() => channels.close());
      const credentials = [sign({ keyId, secret: options.secret ?? secret, now: options.now ?? Date.now })];
      return createClient(PingService, connect({ channels, credentials }));
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

type Call = (client: Client<typeof PingService>) => Promise<string>;
export const pingOnce: Call = async (client) => (await client.ping({ text: "hello" })).text;
const pingMany: Call = async (client) => {
  const texts: string[] = [];
  for await (const { text } of client.pingMany({ text: "hello" })) texts.push(text);
  return texts.join();
};

/** The kinds of calls that can be signed. */
export const signedCalls: readonly (readonly [string, Call])[] = [
  ["unary", pingOnce],
  ["server-streaming", pingMany],
];
