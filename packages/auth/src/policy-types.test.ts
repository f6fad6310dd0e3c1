import type { MethodDefinition, ServiceDefinition } from "@grpc/grpc-js";
import { PingService } from "@zero-trust/testkit";
import { describe, expect, test } from "vitest";
import { Credential } from "./gen/zerotrust/auth/v1/policy_pb.ts";
import { checkPolicy, definePolicy, PolicyError, type Rule, type ServicePolicy } from "./policy.ts";

// What tsc must refuse stands here behind @ts-expect-error: where it were let through, this file would not compile. What got
// past a compiler is refused when it runs; checkPolicy is what protect() calls.

const { MTLS, BEARER } = Credential;
const good: Rule = { credentials: [MTLS], scopes: ["read:test"] };
const wide: readonly Rule[] = [good];
const start = (policy: ServicePolicy) => checkPolicy(policy, new Set([MTLS, BEARER]));

const bytes = (value: Buffer) => value;
const unary: MethodDefinition<Buffer, Buffer> = {
  path: "/bank.v1.Bank/Pay",
  requestStream: false,
  responseStream: false,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
};
/** A definition typed by hand, as ts-proto and grpc-tools type theirs. */
const bank = { pay: unary, refund: { ...unary, path: "/bank.v1.Bank/Refund" } } satisfies ServiceDefinition;
/** A definition of which nothing is known, as proto-loader gives it. */
const loaded: ServiceDefinition = bank;

describe("the policy of a protobuf-es service compiles", () => {
  const rest = { pingMany: [good], pingSum: [good], pingEach: [good] };
  test("with rules for every method, written in place or elsewhere", () => {
    expect(() => start(definePolicy(PingService, { ping: wide, ...rest }))).not.toThrow();
    const literal = definePolicy(PingService, {
      ping: [
        { credentials: [MTLS], scopes: [] },
        { credentials: [BEARER], scopes: ["read:test"] },
      ],
      ...rest,
    });
    expect(literal).toHaveLength(4);
  });
  test("not without a method", () => {
    // @ts-expect-error ping is missing
    expect(() => definePolicy(PingService, rest)).toThrow(PolicyError);
  });
  test("not with a method that does not exist, nor one in another spelling", () => {
    // @ts-expect-error pong does not exist
    expect(() => definePolicy(PingService, { ping: [good], ...rest, pong: [good] })).toThrow(/"pong"/);
    // @ts-expect-error it is ping
    expect(() => definePolicy(PingService, { Ping: [good], ...rest })).toThrow(PolicyError);
  });
  test("not with a method that has no rules", () => {
    // @ts-expect-error no rule
    expect(() => start(definePolicy(PingService, { ping: [], ...rest }))).toThrow(/has no policy/);
    // @ts-expect-error undefined is no list
    expect(() => definePolicy(PingService, { ping: undefined, ...rest })).toThrow(PolicyError);
  });
  test("not with a rule that asks for nothing", () => {
    // @ts-expect-error no credential
    const open = definePolicy(PingService, { ping: [{ credentials: [], scopes: [] }], ...rest });
    expect(() => start(open)).toThrow(/open to anybody/);
    // @ts-expect-error no credential in the second rule
    const second = definePolicy(PingService, { ping: [good, { credentials: [], scopes: ["read:test"] }], ...rest });
    expect(() => start(second)).toThrow(/open to anybody/);
  });
  test("not with something else than credentials and scopes", () => {
    // @ts-expect-error a name is no credential
    const named = definePolicy(PingService, { ping: [{ credentials: ["MTLS"], scopes: [] }], ...rest });
    expect(() => start(named)).toThrow(/does not exist/);
    // @ts-expect-error scopes are missing
    const short = definePolicy(PingService, { ping: [{ credentials: [MTLS] }], ...rest });
    expect(() => start(short)).toThrow(/are no list/);
    // @ts-expect-error scopes are a list
    const text = definePolicy(PingService, { ping: [{ credentials: [MTLS], scopes: "read:test" }], ...rest });
    expect(() => start(text)).toThrow(/are no list/);
  });
});

describe("the policy of a definition for grpc-js compiles", () => {
  test("with rules for every entry", () => {
    expect(() => start(definePolicy(bank, { pay: [good], refund: [good] }))).not.toThrow();
  });
  test("not without an entry, nor with another", () => {
    // @ts-expect-error refund is missing
    expect(() => definePolicy(bank, { pay: [good] })).toThrow(/Refund has no policy/);
    // @ts-expect-error steal does not exist
    expect(() => definePolicy(bank, { pay: [good], refund: [good], steal: [good] })).toThrow(/"steal"/);
  });
  test("not with an entry without rules, nor a rule without credentials", () => {
    // @ts-expect-error no rule
    expect(() => start(definePolicy(bank, { pay: [good], refund: [] }))).toThrow(/has no policy/);
    // @ts-expect-error no credential
    const open = definePolicy(bank, { pay: [good], refund: [{ credentials: [], scopes: [] }] });
    expect(() => start(open)).toThrow(/open to anybody/);
  });
  test("with any names where nothing is known of it, and is held to them when it runs", () => {
    expect(() => start(definePolicy(loaded, { pay: [good], refund: [good] }))).not.toThrow();
    expect(() => definePolicy(loaded, { pay: [good] })).toThrow(/Refund has no policy/);
    // @ts-expect-error no rule
    expect(() => start(definePolicy(loaded, { pay: [good], refund: [] }))).toThrow(/has no policy/);
  });
});

describe("hasSideEffects is false only where the method says so", () => {
  test("in a .proto", () => {
    const policy = definePolicy(PingService, { ping: [good], pingMany: [good], pingSum: [good], pingEach: [good] });
    expect(policy.map((method) => method.hasSideEffects)).toEqual([false, false, true, true]);
  });
  test.each<[unknown, boolean]>([
    [{ idempotency_level: "NO_SIDE_EFFECTS" }, false],
    [{ idempotency_level: "IDEMPOTENT" }, true],
    [{ idempotency_level: "IDEMPOTENCY_UNKNOWN" }, true],
    [{ idempotency_level: true }, true],
    [{}, true],
    [null, true],
    [undefined, true],
  ])("in a definition with the options %j: %s", (options, expected) => {
    const [method] = definePolicy({ pay: { ...unary, options } } as ServiceDefinition, { pay: [good] });
    expect(method?.hasSideEffects).toBe(expected);
  });
});
