import { setTimeout as after } from "node:timers/promises";
import { identityFromMemory } from "@zero-trust/mtls";
import { createCa, createTokenIssuer } from "@zero-trust/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newApiKey } from "../src/api-key/format.ts";
import { apiKey, bearer, connect, hmac } from "../src/client.ts";
import { newSigningKey, signingSecret } from "../src/hmac/keys.ts";
import { Credential, definePolicy } from "../src/index.ts";
import * as server from "../src/server.ts";
import { knownKeys } from "./known-keys.ts";
import { type Channels, ping } from "./ping-client.ts";
import { idOf, type PingServer, pingDefinition, plenty, startPingServer } from "./ping-server.ts";

const { MTLS, API_KEY, BEARER, HMAC } = Credential;
/** For what hangs; and for what does not, so that no machine is too slow for it. */
const hastyMs = 200;
const patientMs = 20_000;
const audience = "https://ping.production.internal";
const client = "order-service";
const scopes = new Set(["read:test"]);

/** Everything that the decision asks, and what it is that fails in a test. */
type Dependency =
  | "the API key source"
  | "the key set"
  | "the key set's word that it still holds a key"
  | "the token revocations"
  | "the signing key source"
  | "the nonce store"
  | "the clock"
  | "the grants"
  | "the store of limits"
  | "the decision log";
let broken: { readonly dependency: Dependency; readonly fail: () => unknown } | undefined;
let asked = 0;

/** Asks a dependency, unless it is the broken one. Types are what it promised. */
function through<T>(dependency: Dependency, ask: () => T): T {
  if (broken?.dependency !== dependency) return ask();
  asked += 1;
  return broken.fail() as T;
}

const ca = await createCa();
const tokens = await createTokenIssuer({ issuer: "https://issuer.production.internal" });
const keySet = await knownKeys(tokens.jwks);
const key = newApiKey("live");
const signing = newSigningKey();
const record = { id: key.id, client, audience, scopes, secrets: [{ sha256: key.sha256 }] };
const signingKey = { id: signing.id, client, audience, scopes, secret: signingSecret(signing.secret.expose()) };
const nonces = server.memoryNonceStore({ now: () => Date.now() - 600_000 });
const limits = server.memoryLimits();
const material = await ca.issue({ spiffeId: idOf(client) });
const { thumbprint } = identityFromMemory(material);

/** A new one for each call, so that no cache knows it. */
const token = () =>
  tokens.sign({ aud: audience, sub: client, client_id: client, scope: "read:test", cnf: { "x5t#S256": thumbprint } });
const presenters = {
  [API_KEY]: apiKey({ key: key.key }),
  [BEARER]: bearer({ tokens: { token } }),
  [HMAC]: hmac({ keyId: signing.id, secret: signing.secret }),
};

/** What rules of a method there may be, what the caller shows, and whether it gets in without a dependency. */
interface Shape {
  readonly name: string;
  readonly rules: readonly (readonly Credential[])[];
  readonly shows: readonly (keyof typeof presenters)[];
}
const shapes: readonly Shape[] = [
  { name: "MTLS", rules: [[MTLS]], shows: [] },
  { name: "API_KEY", rules: [[API_KEY]], shows: [API_KEY] },
  { name: "BEARER", rules: [[BEARER]], shows: [BEARER] },
  { name: "HMAC", rules: [[HMAC]], shows: [HMAC] },
  { name: "MTLS+API_KEY", rules: [[MTLS, API_KEY]], shows: [API_KEY] },
  { name: "MTLS+BEARER", rules: [[MTLS, BEARER]], shows: [BEARER] },
  { name: "MTLS+BEARER+HMAC", rules: [[MTLS, BEARER, HMAC]], shows: [BEARER, HMAC] },
  { name: "API_KEY or BEARER, shown the key", rules: [[API_KEY], [BEARER]], shows: [API_KEY] },
  { name: "API_KEY or BEARER, shown the token", rules: [[API_KEY], [BEARER]], shows: [BEARER] },
  { name: "API_KEY or BEARER, shown both", rules: [[API_KEY], [BEARER]], shows: [API_KEY, BEARER] },
  { name: "MTLS or HMAC, signed", rules: [[MTLS], [HMAC]], shows: [HMAC] },
];
const needed: Readonly<Record<Dependency, Credential | "always">> = {
  "the API key source": API_KEY,
  "the key set": BEARER,
  "the key set's word that it still holds a key": BEARER,
  "the token revocations": BEARER,
  "the signing key source": HMAC,
  "the nonce store": HMAC,
  "the clock": "always",
  "the grants": "always",
  "the store of limits": "always",
  "the decision log": "always",
};
/** Whether some rule is met by what is shown and needs nothing of the dependency. */
function isLetInWithout(dependency: Dependency, { rules, shows }: Shape): boolean {
  const lost = needed[dependency];
  const shown: readonly Credential[] = [MTLS, ...shows];
  return lost !== "always" && rules.some((rule) => rule.every((it) => shown.includes(it) && it !== lost));
}

const down = () => new Error("down");
const late: Promise<unknown>[] = [];
/** Comes when the call has been answered, which the end of the test waits for. */
function lateBy(settle: () => unknown): Promise<unknown> {
  const answer = after(hastyMs * 2).then(settle);
  late.push(answer.catch(() => undefined));
  return answer;
}
const failures: readonly (readonly [string, () => unknown, "no answer in time"?])[] = [
  [
    "throws",
    () => {
      throw down();
    },
  ],
  ["throws what is no error", () => AbortSignal.abort(null).throwIfAborted()],
  [
    "throws an error that throws when it is read",
    () => {
      throw Object.defineProperty(new Error(), "message", { get: () => AbortSignal.abort(0).throwIfAborted() });
    },
  ],
  ["rejects", () => Promise.reject(down())],
  ["hangs", () => new Promise(() => undefined), "no answer in time"],
  ["answers late", () => lateBy(() => undefined), "no answer in time"],
  [
    "rejects late",
    () =>
      lateBy(() => {
        throw down();
      }),
    "no answer in time",
  ],
  [
    "answers what can only be waited for wrongly",
    () =>
      new Proxy(
        {},
        {
          has: () => true,
          get: (_target, name) => {
            if (name === "then") throw down();
            return undefined;
          },
        },
      ),
  ],
];
const badRecords = (good: object): readonly unknown[] => [
  null,
  "yes",
  true,
  {},
  [],
  { ...good, id: "another" },
  { ...good, client: undefined },
  { ...good, client: "../order" },
  { ...good, scopes: undefined },
  { ...good, scopes: ["read:test"] },
  { ...good, expiresAtMs: Number.NaN },
  { ...good, revokedAtMs: "never" },
  { ...good, audience: undefined },
];
const grantOf = (grant: unknown) => new Map([[idOf(client), grant]]);
const nonsense: Readonly<Record<Dependency, readonly unknown[]>> = {
  "the API key source": [
    ...badRecords(record),
    { ...record, secrets: undefined },
    { ...record, secrets: [{}] },
    { ...record, secrets: [{ sha256: key.sha256, expiresAtMs: Number.NaN }] },
  ],
  "the key set": [null, "yes", true, {}, { kid: "x", alg: "none", key: "x" }, { kid: "x", alg: "ES256" }],
  "the key set's word that it still holds a key": [undefined, null, "yes", 1, {}, Promise.resolve(true)],
  "the token revocations": [undefined, null, "no", 0, {}],
  "the signing key source": [
    ...badRecords(signingKey),
    { ...signingKey, secret: undefined },
    { ...signingKey, secret: signing.secret },
  ],
  "the nonce store": [undefined, null, true, "ok", "NEW", { verdict: "new" }, ["new"]],
  "the clock": [undefined, null, "now", Number.NaN, Number.POSITIVE_INFINITY, -1, 1e300, 1n, new Date()],
  "the grants": [
    undefined,
    null,
    "yes",
    {},
    [],
    new Set([idOf(client)]),
    new WeakMap(),
    ...[true, null, {}, { client }, { scopes }, { client, scopes: ["read:test"] }, { client: "../x", scopes }].map(
      grantOf,
    ),
  ],
  "the store of limits": [
    undefined,
    null,
    true,
    "allowed",
    1,
    {},
    [],
    { allowed: "yes" },
    { allowed: 1 },
    { allowed: false },
    ...[Number.NaN, -1, Number.POSITIVE_INFINITY, "1000"].map((retryAfterMs) => ({ allowed: false, retryAfterMs })),
  ],
  "the decision log": [],
};
const dependencies = Object.keys(nonsense) as Dependency[];
type Case = readonly [name: string, fail: () => unknown, slow: "no answer in time" | undefined];
function casesOf(dependency: Dependency): readonly Case[] {
  const answers = nonsense[dependency];
  return [
    ...failures.map(([name, fail, slow]): Case => [name, fail, slow]),
    ...answers.map((answer): Case => [`answers ${describeAnswer(answer)}`, () => answer, undefined]),
    ...answers.map((answer): Case => [`promises ${describeAnswer(answer)}`, () => Promise.resolve(answer), undefined]),
  ];
}

function describeAnswer(answer: unknown): string {
  if (answer instanceof Map) return `a map of ${describeAnswer(answer.get(idOf(client)))}`;
  if (typeof answer !== "object" || answer === null) return String(answer);
  const entries = Object.entries(answer).filter(([name, value]) => value !== (record as Record<string, unknown>)[name]);
  return `${answer.constructor.name} ${entries.map(([name, value]) => `${name}: ${String(value)}`).join(", ")}`;
}

interface Running extends Shape {
  readonly ping: PingServer;
  readonly channels: Channels;
}
let patient: readonly Running[] = [];
let hasty: readonly Running[] = [];
const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown) => void unhandled.push(reason);

async function start(shape: Shape, decisionTimeoutMs: number): Promise<Running> {
  const rules = shape.rules.map((credentials) => ({ credentials, scopes: ["read:test"] }));
  const other = [{ credentials: [MTLS], scopes: [] }];
  const server1 = await startPingServer(ca, {
    policies: [definePolicy(pingDefinition, { Ping: rules, PingMany: other, PingSum: other, PingEach: other })],
    grants: { current: () => through("the grants", () => new Map([[idOf(client), { client, scopes }]])) },
    credentials: [
      server.apiKey({ keys: { find: () => through("the API key source", () => record) }, audience }),
      server.bearer({
        issuer: tokens.issuer,
        audience,
        keys: {
          ...keySet,
          find: (kid, alg) => through("the key set", () => keySet.find(kid, alg)),
          holds: (it) => through("the key set's word that it still holds a key", () => keySet.holds(it)),
        },
        revocations: {
          isRevoked: () => through("the token revocations", () => false),
          isReady: () => true,
          close: () => undefined,
        },
      }),
      server.hmac({
        keys: { find: () => through("the signing key source", () => signingKey) },
        nonces: { claim: (use) => through("the nonce store", () => nonces.claim(use)) },
        audience,
      }),
    ],
    now: () => through("the clock", Date.now),
    limits: { ...plenty, store: { take: (taking) => through("the store of limits", () => limits.take(taking)) } },
    onDecision: (event) => {
      server1.events.push(event);
      return through<void | Promise<void>>("the decision log", () => undefined);
    },
    decisionTimeoutMs,
  });
  const channels = await server1.channels(client, material);
  const credentials = shape.shows.map((credential) => presenters[credential]);
  return {
    ...shape,
    ping: server1,
    channels: credentials.length === 0 ? channels : connect({ channels, credentials }),
  };
}

beforeAll(async () => {
  process.on("unhandledRejection", onUnhandled);
  patient = await Promise.all(shapes.map((shape) => start(shape, patientMs)));
  hasty = await Promise.all(shapes.map((shape) => start(shape, hastyMs)));
});
afterAll(async () => {
  process.off("unhandledRejection", onUnhandled);
  await Promise.all([...patient, ...hasty].map((running) => running.ping[Symbol.asyncDispose]()));
});

async function outcomesOf(servers: readonly Running[]): Promise<Readonly<Record<string, string>>> {
  const found = await Promise.all(servers.map(async ({ name, channels }) => [name, await ping(channels)] as const));
  return Object.fromEntries(found);
}
const allLetIn = Object.fromEntries(shapes.map(({ name }) => [name, "OK"]));

describe("when nothing fails", () => {
  test("everybody is let in", async () => {
    expect(await outcomesOf(patient)).toEqual(allLetIn);
  });
});

describe.each(dependencies)("where %s", (dependency) => {
  test.each(casesOf(dependency))("%s", async (_failure, fail, slow) => {
    // A rule that needs nothing of what hangs may still be met, but not on every machine in so short a time.
    const servers = slow === undefined ? patient : hasty.filter((running) => !isLetInWithout(dependency, running));
    for (const running of servers) running.ping.events.length = 0;
    asked = 0;
    broken = { dependency, fail };
    const expected = Object.fromEntries(
      servers.map((shape) => [shape.name, isLetInWithout(dependency, shape) ? "OK" : "UNAVAILABLE CHECK_UNAVAILABLE"]),
    );
    try {
      expect(await outcomesOf(servers)).toEqual(expected);
    } finally {
      broken = undefined;
    }
    expect(asked).toBeGreaterThan(0);
    const refusals = servers
      .filter(({ name }) => expected[name] !== "OK")
      .map((running) => running.ping.events.find((event) => event.outcome === "refused"));
    // Whatever hung, it was the budget that ended it: nothing else could have.
    const causes = refusals.map((event) => event?.cause ?? "").filter((cause) => !waitedFor.test(cause));
    expect(slow === undefined ? [] : causes).toEqual([]);
    expect(refusals.filter((event) => event === undefined || event.latencyMs > 10_000)).toEqual([]);
    await Promise.all(late.splice(0));
    await new Promise(setImmediate);
    expect(unhandled.splice(0)).toEqual([]);
  });
  test("works again, everybody is let in again", async () => {
    expect(await outcomesOf(patient)).toEqual(allLetIn);
  });
});

/** What cannot be a promise is refused at once; the rest when its time is over. */
const waitedFor = /no answer within|no time|no map|neither yes nor no/;
