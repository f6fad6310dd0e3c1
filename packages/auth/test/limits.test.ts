import { Metadata, type ServiceError } from "@grpc/grpc-js";
import { createCa, createTokenIssuer } from "@zero-trust/testkit";
import { afterEach, describe, expect, test, vi } from "vitest";
import { newApiKey } from "../src/api-key/format.ts";
import { type Presenter, hmac as presentSignature } from "../src/client.ts";
import type { DecisionMeasure } from "../src/decision-event.ts";
import { newSigningKey, signingSecret } from "../src/hmac/keys.ts";
import { Credential, definePolicy, type Rule, retryAfterMsOf } from "../src/index.ts";
import * as auth from "../src/server.ts";
import { knownKeys } from "./known-keys.ts";
import { type Channels, clientOf, outcomeOf, pingBytes, pingPath } from "./ping-client.ts";
import { idOf, pingDefinition, plenty, startPingServer } from "./ping-server.ts";

const { MTLS, API_KEY, BEARER, HMAC } = Credential;
const audience = "https://ping.production.internal";
const scopes = new Set(["read:test"]);
const rule = (...credentials: Credential[]): Rule => ({ credentials, scopes: ["read:test"] });
const limited = "RESOURCE_EXHAUSTED RATE_LIMITED";
const wrong = "UNAUTHENTICATED CREDENTIAL_INVALID";
/** Gives nothing back while a test runs. */
const only = (burst: number) => ({ perSecond: 0.0001, burst });

const ca = await createCa();
const tokens = await createTokenIssuer({ issuer: "https://issuer.production.internal" });
const tokenKeys = await knownKeys(tokens.jwks);
const issueKey = (client: string) => {
  const { id, key, sha256 } = newApiKey("live");
  return { key, record: { id, client, audience, scopes, secrets: [{ sha256 }] } };
};
const reporting = issueKey("reporting");
const other = issueKey("other");
const signing = newSigningKey();
const signingKey = { id: signing.id, client: "reporting", audience, scopes, secret: signingSecret(signing.secret) };
const grants = {
  current: () =>
    new Map([
      [idOf("order-service"), { client: "order-service", scopes }],
      [idOf("storefront"), { client: "storefront", scopes }],
    ]),
};

/** The four kinds of calls: to HTTP/2 they are all alike. */
const kinds = ["Ping", "PingMany", "PingSum", "PingEach"] as const;
type Kind = (typeof kinds)[number];

interface Called {
  readonly kind?: Kind;
  readonly path?: string;
  readonly messages?: number;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Makes a call, and gives what came of it and when to come again. */
async function ask(channels: Channels, { kind = "Ping", path, messages = 1, metadata = {} }: Called = {}) {
  const headers = new Metadata();
  for (const [name, value] of Object.entries(metadata)) headers.set(name, value);
  const asIs = (bytes: Buffer) => bytes;
  const deadline = Date.now() + 10_000;
  const method = path ?? pingPath.replace(/Ping$/, kind);
  const stream = clientOf(channels).makeBidiStreamRequest(method, asIs, asIs, headers, { deadline });
  const answers: Buffer[] = [];
  const { promise, resolve } = Promise.withResolvers<{ said: string; retryAfterMs: number | undefined }>();
  stream.on("data", (answer: Buffer) => answers.push(answer));
  stream.on("error", (error: ServiceError) => resolve({ said: outcomeOf(error), retryAfterMs: retryAfterMsOf(error) }));
  stream.on("end", () => resolve({ said: "OK", retryAfterMs: undefined }));
  for (let sent = 0; sent < messages; sent += 1) stream.write(kind === "Ping" ? pingBytes() : Buffer.alloc(0));
  stream.end();
  return { ...(await promise), answers };
}
const say = async (channels: Channels, call: Called = {}): Promise<string> => (await ask(channels, call)).said;

async function start(limits: auth.LimitsOptions, rules: readonly Rule[], changes: Partial<auth.ProtectOptions> = {}) {
  const lookups: string[] = [];
  const nonces = auth.memoryNonceStore({ now: () => Date.now() - 60_000 });
  const known = new Map([reporting, other].map(({ record }) => [record.id, record]));
  const find = (id: string) => {
    lookups.push(id);
    return known.get(id);
  };
  // No signature is over a stream of messages.
  const streams = rules.some(({ credentials }) => credentials.includes(HMAC)) ? [rule(BEARER)] : rules;
  const policy = definePolicy(pingDefinition, { Ping: rules, PingMany: rules, PingSum: streams, PingEach: streams });
  const server = await startPingServer(ca, {
    policies: [policy],
    grants,
    credentials: [
      auth.apiKey({ keys: { find }, audience }),
      auth.bearer({ issuer: tokens.issuer, audience, keys: tokenKeys }),
      auth.hmac({ keys: { find: (id) => (id === signing.id ? signingKey : undefined) }, nonces, audience }),
    ],
    limits: { ...plenty, ...limits },
    ...changes,
  });
  return { server, lookups, nonces, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

const key = (text = reporting.key) => ({ "x-api-key": text.expose() });
const wrongKey = () => ({ "x-api-key": newApiKey("live").key.expose() });
const signer: Presenter = presentSignature({ keyId: signing.id, secret: signing.secret });
const sign = () => signer.present({ path: pingPath, message: async () => pingBytes() });

afterEach(() => {
  vi.useRealTimers();
});

describe.each(kinds)("%s", (kind) => {
  test("a workload that calls too often is refused, and another is served", async () => {
    await using started = await start({ peer: only(3) }, [rule(MTLS)]);
    const noisy = await started.server.channels("order-service");
    const said = [];
    for (let calls = 0; calls < 5; calls += 1) said.push(await say(noisy, { kind }));
    expect(said).toEqual(["OK", "OK", "OK", limited, limited]);
    expect(await say(await started.server.channels("storefront"), { kind })).toBe("OK");
    expect(started.server.events.at(-2)).toMatchObject({
      outcome: "refused",
      reason: "RATE_LIMITED",
      cause: "the workload's calls are used up: 0.0001 a second, 3 at once",
      peer: idOf("order-service"),
    });
  });
  test("a client that calls too often is refused, whichever workload it calls from, and another is served", async () => {
    await using started = await start({ client: only(3) }, [rule(API_KEY)]);
    const [here, there] = [await started.server.channels("order-service"), await started.server.channels("storefront")];
    const said = [];
    for (const from of [here, there, here, there, here]) said.push(await say(from, { kind, metadata: key() }));
    expect(said).toEqual(["OK", "OK", "OK", limited, limited]);
    expect(await say(here, { kind, metadata: key(other.key) })).toBe("OK");
    expect(started.server.events.at(-2)).toMatchObject({
      outcome: "refused",
      reason: "RATE_LIMITED",
      cause: "the client's calls are used up: 0.0001 a second, 3 at once",
      client: "reporting",
    });
  });
  test("a workload that guesses is refused before its keys are looked at, and another is served", async () => {
    await using started = await start({ failures: only(3) }, [rule(API_KEY)]);
    const guessing = await started.server.channels("order-service");
    const said = [];
    for (let calls = 0; calls < 5; calls += 1) said.push(await say(guessing, { kind, metadata: wrongKey() }));
    expect(said).toEqual([wrong, wrong, wrong, limited, limited]);
    expect(started.lookups).toHaveLength(3);
    expect(await say(await started.server.channels("storefront"), { kind, metadata: key() })).toBe("OK");
  });
  test("a call costs one, however many messages it has", async () => {
    await using started = await start({ peer: only(2), client: only(1) }, [rule(MTLS)]);
    const channels = await started.server.channels("order-service");
    const messages = kind === "PingSum" || kind === "PingEach" ? 20 : 1;
    const call = await ask(channels, { kind, messages });
    expect([call.said, call.answers.length]).toEqual(["OK", { Ping: 1, PingMany: 0, PingSum: 1, PingEach: 20 }[kind]]);
    expect(await say(channels, { kind })).toBe(limited);
  });
});

describe("who is refused", () => {
  test("is told when there will be a call, and is let in then", async () => {
    let nowMs = 0;
    const store = auth.memoryLimits({ now: () => nowMs });
    await using started = await start({ store, client: { perSecond: 4, burst: 2 } }, [rule(MTLS)]);
    const channels = await started.server.channels("order-service");
    expect([await say(channels), await say(channels)]).toEqual(["OK", "OK"]);
    nowMs += 100;
    expect(await ask(channels)).toMatchObject({ said: limited, retryAfterMs: 150 });
    nowMs += 149;
    expect(await ask(channels)).toMatchObject({ said: limited, retryAfterMs: 1 });
    nowMs += 1;
    expect(await ask(channels)).toMatchObject({ said: "OK" });
  });
  test("is counted as such", async () => {
    const measures: DecisionMeasure[] = [];
    await using started = await start({ client: only(1) }, [rule(MTLS)], {
      onMeasure: (measure) => void measures.push(measure),
    });
    const channels = await started.server.channels("order-service");
    expect([await say(channels), await say(channels)]).toEqual(["OK", limited]);
    expect(measures).toMatchObject([{ outcome: "allowed" }, { outcome: "refused", reason: "RATE_LIMITED" }]);
  });
});

describe("a workload's calls", () => {
  test("count whatever becomes of them: without grants, with wrong credentials, to methods that there are not", async () => {
    await using started = await start({ peer: only(3) }, [rule(MTLS), rule(API_KEY)]);
    const stranger = await started.server.channels("stranger");
    expect([
      await say(stranger),
      await say(stranger, { metadata: wrongKey() }),
      await say(stranger, { metadata: key() }),
      await say(stranger),
      await say(stranger, { metadata: key() }),
    ]).toEqual(["UNAUTHENTICATED CREDENTIAL_MISSING", wrong, "OK", limited, limited]);
    expect(started.lookups).toHaveLength(2);
    await using forgotten = await start({ peer: only(2) }, [], { policies: [] });
    const known = await forgotten.server.channels("order-service");
    const said = [await say(known), await say(known), await say(known)];
    expect(said).toEqual(["UNIMPLEMENTED", "UNIMPLEMENTED", limited]);
  });
  test("are counted in this process, whatever the store", async () => {
    const keys: string[] = [];
    const memory = auth.memoryLimits();
    const store: auth.LimitStore = {
      take(taking) {
        keys.push(`${taking.key} ${taking.cost}`);
        return memory.take(taking);
      },
    };
    await using started = await start({ store, peer: only(3) }, [rule(API_KEY), rule(MTLS)]);
    const channels = await started.server.channels("order-service");
    for (const metadata of [{}, key(), wrongKey(), key()]) await say(channels, { metadata });
    expect(keys).toEqual([
      "client order-service 1",
      `failures ${idOf("order-service")} 0`,
      "client reporting 1",
      `failures ${idOf("order-service")} 0`,
      `failures ${idOf("order-service")} 1`,
    ]);
  });
});

describe("a workload that guesses", () => {
  test("learns nothing from a good key while it may not be wrong again; its calls without credentials go on", async () => {
    await using started = await start({ failures: only(2) }, [rule(MTLS), rule(API_KEY)]);
    const channels = await started.server.channels("order-service");
    for (let calls = 0; calls < 2; calls += 1) expect(await say(channels, { metadata: wrongKey() })).toBe(wrong);
    const answers = [];
    for (const metadata of [key(), wrongKey(), { "x-api-key": "nonsense" }, { authorization: "Bearer x" }]) {
      const { said, retryAfterMs } = await ask(channels, { metadata });
      answers.push({ said, secondsToWait: Math.ceil((retryAfterMs ?? 0) / 100_000) });
    }
    expect(answers.map(({ said }) => said)).toEqual([limited, limited, limited, "OK"]);
    expect(answers[0]).toEqual(answers[1]);
    expect([started.lookups.length, await say(channels)]).toEqual([2, "OK"]);
  });
  test("gets no more answers by asking all at once", async () => {
    // Nobody is answered until all have been looked up.
    const { promise, resolve } = Promise.withResolvers<undefined>();
    let lookedUp = 0;
    const find = () => {
      lookedUp += 1;
      if (lookedUp === 60) resolve(undefined);
      return promise;
    };
    const changes = { credentials: [auth.apiKey({ keys: { find }, audience })], decisionTimeoutMs: 20_000 };
    await using started = await start({ failures: only(5) }, [rule(API_KEY)], changes);
    const channels = await started.server.channels("order-service");
    const said = await Promise.all(Array.from({ length: 60 }, () => say(channels, { metadata: wrongKey() })));
    expect(said.filter((each) => each === wrong)).toHaveLength(5);
    expect(said.filter((each) => each === limited)).toHaveLength(55);
  });
  test("of signatures too, whose messages come after", async () => {
    await using started = await start({ failures: only(3) }, [rule(HMAC)]);
    const channels = await started.server.channels("order-service");
    const guess = async () => ({ ...(await sign()), "x-signature": "0".repeat(64) });
    const said = [];
    for (let calls = 0; calls < 4; calls += 1) said.push(await say(channels, { metadata: await guess() }));
    said.push(await say(channels, { metadata: await sign() }));
    expect([said, started.nonces.size]).toEqual([[wrong, wrong, wrong, limited, limited], 0]);
  });
  test("is not who shows what is too late, or lacks a scope, or shows nothing", async () => {
    await using started = await start({ failures: only(1) }, [rule(HMAC)]);
    const channels = await started.server.channels("order-service");
    const late = presentSignature({ keyId: signing.id, secret: signing.secret, now: () => Date.now() - 3_600_000 });
    const metadata = await late.present({ path: pingPath, message: async () => pingBytes() });
    for (let calls = 0; calls < 3; calls += 1) {
      expect(await say(channels, { metadata })).toBe("UNAUTHENTICATED CREDENTIAL_EXPIRED");
      expect(await say(channels)).toBe("UNAUTHENTICATED CREDENTIAL_MISSING");
    }
    const replayed = await sign();
    expect(await say(channels, { metadata: replayed })).toBe("OK");
    for (let calls = 0; calls < 3; calls += 1) {
      expect(await say(channels, { metadata: replayed })).toBe("UNAUTHENTICATED CREDENTIAL_REPLAYED");
    }
    expect(await say(channels, { metadata: await sign() })).toBe("OK");
  });
});

describe("a client's calls", () => {
  test("H11: a flood of fresh nonces stops before the store of nonces", async () => {
    await using started = await start({ client: only(4) }, [rule(HMAC)]);
    const channels = await started.server.channels("order-service");
    const said = [];
    for (let calls = 0; calls < 12; calls += 1) said.push(await say(channels, { metadata: await sign() }));
    expect(said).toEqual([...Array<string>(4).fill("OK"), ...Array<string>(8).fill(limited)]);
    expect(started.nonces.size).toBe(4);
  });
  test("are not used up by who replays them", async () => {
    await using started = await start({ client: only(2) }, [rule(HMAC)]);
    const channels = await started.server.channels("order-service");
    const captured = await sign();
    expect(await say(channels, { metadata: captured })).toBe("OK");
    for (let calls = 0; calls < 10; calls += 1) {
      expect(await say(channels, { metadata: captured })).toBe("UNAUTHENTICATED CREDENTIAL_REPLAYED");
    }
    expect(await say(channels, { metadata: await sign() })).toBe("OK");
    expect(await say(channels, { metadata: captured })).toBe(limited);
  });
  test("have another limit where it has one of its own", async () => {
    const others = new Map([["storefront", only(1)]]);
    await using started = await start({ client: { ...only(3), others } }, [rule(MTLS)]);
    const [usual, own] = [await started.server.channels("order-service"), await started.server.channels("storefront")];
    expect([await say(own), await say(own)]).toEqual(["OK", limited]);
    expect([await say(usual), await say(usual), await say(usual), await say(usual)]).toEqual([
      "OK",
      "OK",
      "OK",
      limited,
    ]);
  });
  test("do not count where a probe asks, which needs no store", async () => {
    const policy = definePolicy(pingDefinition, {
      Ping: [rule(MTLS)],
      PingMany: [rule(MTLS)],
      PingSum: [rule(MTLS)],
      PingEach: [rule(MTLS)],
    });
    const policies = [policy.map((method) => ({ ...method, isProbe: true as const }))];
    const store = { take: () => Promise.reject(new Error("the store is down")) };
    await using started = await start({ store, client: only(1), peer: only(3) }, [], { policies });
    const channels = await started.server.channels("order-service");
    const said = [];
    for (let calls = 0; calls < 4; calls += 1) said.push(await say(channels));
    expect(said).toEqual(["OK", "OK", "OK", limited]);
  });
});

test("in shadow mode a call over its limit is let in, and logged", async () => {
  const warned = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
  const limits = { peer: only(3), client: only(2), failures: only(1) };
  // oxlint-disable-next-line typescript/no-deprecated -- what is tried
  const shadow = { [auth.unsafeShadowMode]: true } as const;
  await using started = await start(limits, [rule(MTLS), rule(API_KEY)], shadow);
  warned.mockRestore();
  const channels = await started.server.channels("order-service");
  for (let calls = 0; calls < 4; calls += 1) await say(channels);
  const guessing = await started.server.channels("storefront");
  for (let calls = 0; calls < 2; calls += 1) await say(guessing, { metadata: wrongKey() });
  const causes = started.server.events.map(({ outcome, cause }) => [outcome, cause?.split(":")[0]]);
  expect(causes).toEqual([
    ["allowed", undefined],
    ["allowed", undefined],
    ["would-refuse", "the client's calls are used up"],
    ["would-refuse", "the workload's calls are used up"],
    ["would-refuse", "no such API key"],
    ["would-refuse", "the workload showed too many wrong credentials"],
  ]);
  expect(started.server.handled).toHaveLength(6);
});

test("nobody is without a limit, and what is none does not start", async () => {
  const options = {
    trustDomain: "production.internal",
    policies: [],
    grants,
    credentials: [],
    onDecision: () => undefined,
  };
  const rates = [
    { perSecond: 0, burst: 1 },
    { perSecond: Number.NaN, burst: 1 },
    { perSecond: Number.POSITIVE_INFINITY, burst: 1 },
    { perSecond: 1, burst: 0 },
    { perSecond: 1, burst: 1.5 },
    { perSecond: 1, burst: Number.POSITIVE_INFINITY },
  ];
  for (const rate of rates) {
    for (const name of ["peer", "client", "failures"]) {
      expect(() => auth.protect({ ...options, limits: { [name]: rate } })).toThrow(new RegExp(`^limits.${name}: `));
      const limit = { ...only(1), others: new Map([["storefront", rate]]) };
      expect(() => auth.protect({ ...options, limits: { [name]: limit } })).toThrow(`limits.${name} of storefront: `);
    }
  }
  await using started = await start(
    { peer: auth.defaultPeerLimit, client: auth.defaultClientLimit, failures: auth.defaultFailureLimit },
    [rule(API_KEY)],
  );
  const channels = await started.server.channels("order-service");
  const said = await Promise.all(Array.from({ length: 300 }, () => say(channels, { metadata: wrongKey() })));
  expect(said.filter((each) => each === wrong).length).toBeLessThan(300);
  expect(said).toContain(limited);
});
