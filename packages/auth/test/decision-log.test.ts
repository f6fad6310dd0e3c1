import { createCa } from "@zero-trust/testkit";
import { describe, expect, test, vi } from "vitest";
import { type DecisionMeasure, type DecisionOutcome, printable } from "../src/decision-event.ts";
import { Credential, Reason } from "../src/gen/zerotrust/auth/v1/policy_pb.ts";
import { definePolicy, type ServicePolicy } from "../src/policy.ts";
import type { ProtectOptions } from "../src/protect.ts";
import type { MetadataVerifier, Verification } from "../src/verifier.ts";
import { ping, pingPath } from "./ping-client.ts";
import { idOf, pingDefinition, startPingServer } from "./ping-server.ts";

const { MTLS, BEARER } = Credential;
const ca = await createCa();
const scopes = new Set(["read:test"]);
const grants = { current: () => new Map([[idOf("order-service"), { client: "order-service", scopes }]]) };
const policies = (...credentials: Credential[]): ServicePolicy[] => {
  const rules = [{ credentials, scopes: ["read:test"] }];
  return [definePolicy(pingDefinition, { Ping: rules, PingMany: rules, PingSum: rules, PingEach: rules })];
};
/** Ping says in its .proto that it has no side effects; the definition of the tests does not carry that. */
const safe = policies(MTLS).map((policy) => policy.map((method) => ({ ...method, hasSideEffects: false })));
const start = (options: Partial<ProtectOptions>) =>
  startPingServer(ca, { policies: policies(MTLS), grants, credentials: [], decisionTimeoutMs: 100, ...options });

const failures: readonly [string, () => Promise<void>][] = [
  [
    "throws",
    () => {
      throw new Error("disk full");
    },
  ],
  ["rejects", () => Promise.reject(new Error("disk full"))],
  ["hangs", () => new Promise(() => undefined)],
];
const refused = "UNAVAILABLE CHECK_UNAVAILABLE";

describe("a call whose decision cannot be logged", () => {
  test.each(failures)("is refused, where the log %s", async (_name, onDecision) => {
    await using server = await start({ policies: safe, onDecision });
    expect(await ping(await server.channels("order-service"))).toBe(refused);
    expect(server.handled).toEqual([]);
  });
  test.each(failures)(
    "is let in where it has no side effects, if that was asked for, where the log %s",
    async (_name, onDecision) => {
      const decisionLog = "required-for-side-effects";
      await using harmless = await start({ policies: safe, onDecision, decisionLog });
      expect(await ping(await harmless.channels("order-service"))).toBe("OK");
      expect(await ping(await harmless.channels("stranger"))).toBe("PERMISSION_DENIED PEER_NOT_GRANTED");
      await using server = await start({ onDecision, decisionLog });
      expect(await ping(await server.channels("order-service"))).toBe(refused);
      expect(server.handled).toEqual([]);
    },
  );
  test("is refused where the option is a word that nobody knows", async () => {
    const [, [, onDecision]] = failures as [unknown, [string, () => Promise<void>]];
    await using server = await start({ policies: safe, onDecision, decisionLog: "off" as never });
    expect(await ping(await server.channels("order-service"))).toBe(refused);
  });
});

test("the handler does not run before its decision is in the log", async () => {
  const written = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  await using server = await start({
    decisionTimeoutMs: 10_000,
    onDecision: () => {
      asked.resolve();
      return written.promise;
    },
  });
  const answer = ping(await server.channels("order-service"));
  await asked.promise;
  await new Promise(setImmediate);
  expect(server.handled).toEqual([]);
  written.resolve();
  expect(await answer).toBe("OK");
});

test("a verifier that hangs leaves the log its time, so that a rule which does not need it lets the call in", async () => {
  const hanging: MetadataVerifier = {
    credential: BEARER,
    metadataKeys: [],
    isPresented: () => true,
    verify: () => new Promise(() => undefined),
  };
  const rules = [
    { credentials: [MTLS], scopes: [] },
    { credentials: [BEARER], scopes: [] },
  ];
  await using server = await start({
    policies: [definePolicy(pingDefinition, { Ping: rules, PingMany: rules, PingSum: rules, PingEach: rules })],
    credentials: [hanging],
    decisionTimeoutMs: 1_000,
    // That it is slow is what is tested: less would be there before any bound.
    onDecision: () => new Promise((resolve) => setTimeout(resolve, 50)),
  });
  expect(await ping(await server.channels("order-service"))).toBe("OK");
});

test("what a caller made up is one printable record", async () => {
  const evil = 'x\n{"outcome":"allowed"}\u001b[2J\u2028\ud800'.repeat(100);
  const verification: Verification = {
    finding: { verdict: "invalid", reason: Reason.CREDENTIAL_INVALID, cause: evil },
    id: evil,
  };
  const verifier: MetadataVerifier = {
    credential: BEARER,
    metadataKeys: [],
    isPresented: () => true,
    verify: async () => verification,
  };
  await using server = await start({ policies: policies(BEARER), credentials: [verifier] });
  const channels = await server.channels("order-service");
  expect(await ping(channels)).toBe("UNAUTHENTICATED CREDENTIAL_INVALID");
  expect(await ping(channels, { path: `/x/${encodeURI('\n"},')}${"y".repeat(1000)}` })).toBe("UNIMPLEMENTED");
  expect(server.events).toHaveLength(1);
  expect(JSON.stringify(server.events[0])).toMatch(/^[\x20-\x7e]+$/);
  expect(server.events[0]).toMatchObject({ cause: printable(evil), credentialIds: [printable(evil)] });
});

describe("the measure of a decision", () => {
  test("is taken once for each outcome, with method and reason, and never a name that callers make up", async () => {
    const measures: DecisionMeasure[] = [];
    const onMeasure = (measure: DecisionMeasure) => void measures.push(measure);
    await using server = await start({ onMeasure });
    const channels = await server.channels("order-service");
    expect(await ping(channels)).toBe("OK");
    expect(await ping(await server.channels("stranger"))).toBe("PERMISSION_DENIED PEER_NOT_GRANTED");
    expect(measures).toEqual([
      { method: pingPath, outcome: "allowed", latencyMs: expect.any(Number) },
      { method: pingPath, outcome: "refused", reason: "PEER_NOT_GRANTED", latencyMs: expect.any(Number) },
    ]);
    await using bare = await start({ policies: [], onMeasure });
    expect(await ping(await bare.channels("order-service"))).toBe("UNIMPLEMENTED");
    expect(measures.at(-1)).toMatchObject({ method: "unregistered", outcome: "refused" });
  });
  test("says refused, and nothing else, of a call whose decision could not be logged", async () => {
    const outcomes: DecisionOutcome[] = [];
    const onDecision = () => Promise.reject(new Error("disk full"));
    await using server = await start({ onDecision, onMeasure: ({ outcome }) => void outcomes.push(outcome) });
    expect(await ping(await server.channels("order-service"))).toBe(refused);
    expect(outcomes).toEqual(["refused"]);
  });
  test.each<[string, () => void]>([
    [
      "throws",
      () => {
        throw new Error("down");
      },
    ],
    ["rejects", async () => Promise.reject(new Error("down"))],
  ])("touches no call when its taker %s", async (_name, onMeasure) => {
    const unhandled = vi.fn<(reason: unknown) => void>();
    process.on("unhandledRejection", unhandled);
    await using server = await start({ onMeasure });
    expect(await ping(await server.channels("order-service"))).toBe("OK");
    expect(await ping(await server.channels("stranger"))).toBe("PERMISSION_DENIED PEER_NOT_GRANTED");
    await new Promise(setImmediate);
    process.off("unhandledRejection", unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });
});
