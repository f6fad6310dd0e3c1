import type { ServiceDefinition } from "@grpc/grpc-js";
import { PingService } from "@zero-trust/testkit";
import { describe, expect, test } from "vitest";
import { Credential } from "./gen/zerotrust/auth/v1/policy_pb.ts";
import { checkPolicy, definePolicy, PolicyError, policyOf, type Rule } from "./policy.ts";

const { MTLS, API_KEY, BEARER, HMAC, UNSPECIFIED } = Credential;
const all = new Set<Credential>([MTLS, API_KEY, BEARER, HMAC]);
const good: Rule = { credentials: [MTLS], scopes: ["read:test"] };

const withPing = (rule: Rule) =>
  definePolicy(PingService, { ping: [rule], pingMany: [good], pingSum: [good], pingEach: [good] });
const withEach = (rule: Rule) =>
  definePolicy(PingService, { ping: [good], pingMany: [good], pingSum: [good], pingEach: [rule] });

describe("definePolicy", () => {
  test("gives each method of a protobuf-es service its rules", () => {
    expect(withPing(good).map(({ path, requestStream }) => [path, requestStream])).toEqual([
      ["/zerotrust.testkit.v1.PingService/Ping", false],
      ["/zerotrust.testkit.v1.PingService/PingMany", false],
      ["/zerotrust.testkit.v1.PingService/PingSum", true],
      ["/zerotrust.testkit.v1.PingService/PingEach", true],
    ]);
  });
  test("does not compile, nor run, with a method left out", () => {
    // @ts-expect-error a method is missing
    expect(() => definePolicy(PingService, { ping: [good], pingMany: [good], pingSum: [good] })).toThrow(
      /PingEach has no policy/,
    );
  });
  test("does not compile, nor run, with a method that does not exist", () => {
    const rules = { ping: [good], pingMany: [good], pingSum: [good], pingEach: [good], pong: [good] };
    // @ts-expect-error there is no such method
    expect(() => definePolicy(PingService, rules)).toThrow(/"pong"/);
  });
  test("takes the definition that any other generator made", () => {
    const bytes = (b: Buffer) => b;
    const check = {
      path: "/x.Y/Check",
      requestStream: false,
      responseStream: false,
      requestSerialize: bytes,
      requestDeserialize: bytes,
      responseSerialize: bytes,
      responseDeserialize: bytes,
    };
    const definition: ServiceDefinition = { Check: check };
    expect(definePolicy(definition, { Check: [good] })).toEqual([
      { path: "/x.Y/Check", requestStream: false, hasSideEffects: true, rules: [good] },
    ]);
  });
});

describe("checkPolicy refuses, naming the method", () => {
  const bad: [string, Rule, RegExp][] = [
    ["a rule without credentials", { credentials: [], scopes: ["a"] }, /without credentials/],
    ["UNSPECIFIED", { credentials: [UNSPECIFIED], scopes: [] }, /does not exist/],
    ["a credential of a newer .proto", { credentials: [99 as Credential], scopes: [] }, /does not exist/],
    ["API_KEY with HMAC", { credentials: [API_KEY, HMAC], scopes: [] }, /x-api-key/],
    ["the same credential twice", { credentials: [MTLS, MTLS], scopes: [] }, /twice/],
    ["a scope with a space", { credentials: [MTLS], scopes: ["read write"] }, /no credential can carry/],
    ["an empty scope", { credentials: [MTLS], scopes: [""] }, /no credential can carry/],
  ];
  test.each(bad)("%s", (_name, rule, message) => {
    const check = () => checkPolicy(withPing(rule), all);
    expect(check).toThrow(message);
    expect(check).toThrow(/\/zerotrust\.testkit\.v1\.PingService\/Ping\b/);
    expect(check).toThrow(PolicyError);
  });
  test("HMAC on a bidi stream, and takes it on a unary method", () => {
    const signed = { credentials: [HMAC], scopes: [] };
    expect(() => checkPolicy(withEach(signed), all)).toThrow(/stream of requests/);
    expect(() => checkPolicy(withPing(signed), all)).not.toThrow();
  });
  test("a credential without a verifier", () => {
    expect(() => checkPolicy(withPing({ credentials: [BEARER], scopes: [] }), new Set([MTLS]))).toThrow(
      /BEARER, and protect\(\) was given no verifier/,
    );
  });
  test("a method without a policy", () => {
    expect(() => checkPolicy(policyOf(PingService), all)).toThrow(/Ping has no policy/);
  });
});
