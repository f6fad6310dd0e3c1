import { Credential, definePolicy, PolicyError, type Rule, type ServicePolicy } from "@zero-trust/auth";
import { apiKey, bearer, hmac, memoryNonceStore, type Verifier } from "@zero-trust/auth/server";
import { PingService, pingHandlers } from "@zero-trust/testkit";
import { beforeAll, describe, expect, test } from "vitest";
import { ConfigError } from "../src/config.ts";
import { service } from "../src/service.ts";
import { createTrustDomain, pingPolicy, servePing, type TrustDomain } from "./ping-serving.ts";

let domain: TrustDomain;
beforeAll(async () => {
  domain = await createTrustDomain();
});

const { MTLS, API_KEY, BEARER, HMAC, UNSPECIFIED } = Credential;
const audience = "https://ping.production.internal";
const keySet = {
  find: async () => undefined,
  holds: () => false,
  isReady: () => true,
  close: () => undefined,
};
const verifiers: Readonly<Record<string, Verifier>> = {
  apiKey: apiKey({ keys: { find: () => undefined }, audience }),
  bearer: bearer({ issuer: "https://issuer.production.internal", audience, keys: keySet }),
  hmac: hmac({ keys: { find: () => undefined }, nonces: memoryNonceStore(), audience }),
};
const good: Rule = { credentials: [MTLS], scopes: ["read:test"] };
const ping = (...rules: Rule[]): ServicePolicy =>
  definePolicy(PingService, { ping: rules, pingMany: [good], pingSum: [good], pingEach: [good] });
const pingSum = (rule: Rule): ServicePolicy =>
  definePolicy(PingService, { ping: [good], pingMany: [good], pingSum: [rule], pingEach: [good] });
const pingEach = (rule: Rule): ServicePolicy =>
  definePolicy(PingService, { ping: [good], pingMany: [good], pingSum: [good], pingEach: [rule] });

const start = (policy: ServicePolicy | undefined, credentials: readonly Verifier[] = Object.values(verifiers)) =>
  servePing(domain, {
    services: [service(PingService, pingHandlers(), policy === undefined ? {} : { policy })],
    protect: { trustDomain: "production.internal", grants: { current: () => new Map() }, credentials },
  });

describe("does not start, and names the method, with", () => {
  const cases: readonly [claim: string, policy: ServicePolicy | undefined, method: string, says: string][] = [
    ["a method without a policy in its .proto", undefined, "Ping", "has no policy"],
    ["a method without a rule", ping(), "Ping", "has no policy"],
    ["a rule without credentials", ping(good, { credentials: [], scopes: ["read:test"] }), "Ping", "open to anybody"],
    ["UNSPECIFIED", ping({ credentials: [UNSPECIFIED], scopes: [] }), "Ping", "does not exist"],
    ["HMAC on a client stream", pingSum({ credentials: [HMAC], scopes: [] }), "PingSum", "on a stream of requests"],
    ["HMAC on a bidi stream", pingEach({ credentials: [MTLS, HMAC], scopes: [] }), "PingEach", "stream of requests"],
    ["API_KEY with HMAC", ping({ credentials: [API_KEY, HMAC], scopes: [] }), "Ping", "share the key x-api-key"],
    ["an empty scope", ping({ credentials: [BEARER], scopes: [""] }), "Ping", "no credential can carry"],
    ["two scopes in one", ping({ credentials: [BEARER], scopes: ["a b"] }), "Ping", "no credential can carry"],
  ];
  test.each(cases)("%s", async (_, policy, method, says) => {
    const starting = start(policy);
    await expect(starting).rejects.toThrow(PolicyError);
    await expect(starting).rejects.toThrow(says);
    await expect(starting).rejects.toThrow(new RegExp(`/zerotrust\\.testkit\\.v1\\.PingService/${method}\\b`));
  });

  test.each([
    ["API_KEY", API_KEY, "apiKey"],
    ["BEARER", BEARER, "bearer"],
    ["HMAC", HMAC, "hmac"],
  ] as const)("%s and no verifier for it", async (name, credential, verifier) => {
    const others = Object.entries(verifiers).filter(([key]) => key !== verifier);
    const starting = start(
      ping({ credentials: [credential], scopes: [] }),
      others.map(([, each]) => each),
    );
    await expect(starting).rejects.toThrow(
      `/zerotrust.testkit.v1.PingService/Ping needs ${name}, and protect() was given no verifier for it`,
    );
  });

  test("two services of one name", async () => {
    const twice = [1, 2].map(() => service(PingService, pingHandlers(), { policy: pingPolicy }));
    await expect(servePing(domain, { services: twice })).rejects.toThrow("PingService/Ping has two policies");
  });

  test("a method without a handler", async () => {
    const { pingSum: _, ...others } = pingHandlers();
    const incomplete = service(PingService, others as never, { policy: pingPolicy });
    await expect(servePing(domain, { services: [incomplete] })).rejects.toThrow(
      "No handler for /zerotrust.testkit.v1.PingService/PingSum",
    );
  });
});

test("starts with each of these credentials where it can be met", async () => {
  const rules = [MTLS, API_KEY, BEARER, HMAC].map((credential) => ({ credentials: [credential], scopes: ["a"] }));
  await using serving = await start(ping(...rules));
  expect(serving.port).toBeGreaterThan(0);
});

test("does not start with a certificate of another trust domain than that of its callers", async () => {
  const credentials = Object.values(verifiers);
  const grants = { current: () => new Map() };
  const starting = servePing(domain, { protect: { trustDomain: "production", grants, credentials } });
  await expect(starting).rejects.toThrow(ConfigError);
  await expect(starting).rejects.toThrow(
    /of spiffe:\/\/production\.internal\/ping, and .* trust domain production; .* ZT_TRUST_DOMAIN/u,
  );
});

test("does not take a policy that leaves a method out, or is that of another service", () => {
  // A policy is data, and may come from elsewhere than definePolicy.
  const named = (policy: ServicePolicy) => () => service(PingService, pingHandlers(), { policy });
  const short = pingPolicy.filter(({ path }) => !path.endsWith("/PingSum"));
  expect(named(short)).toThrow(
    new PolicyError(`/${PingService.typeName}/PingSum has no policy: add its rules to the policy that is given.`),
  );
  expect(named([...pingPolicy, { path: "/a.B/C", requestStream: false, hasSideEffects: true, rules: [good] }])).toThrow(
    "The policy names /a.B/C, which is no method of zerotrust.testkit.v1.PingService.",
  );
});
