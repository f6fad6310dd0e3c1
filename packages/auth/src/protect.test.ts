import { expect, test } from "vitest";
import { apiKey } from "./api-key/server.ts";
import { Credential } from "./gen/zerotrust/auth/v1/policy_pb.ts";
import type { ServicePolicy } from "./policy.ts";
import { protect } from "./protect.ts";

const rules = [{ credentials: [Credential.MTLS], scopes: [] }];
const policy: ServicePolicy = [{ path: "/a.B/C", requestStream: false, hasSideEffects: true, rules }];
const keys = apiKey({ keys: { find: () => undefined }, audience: "https://order.production.internal" });
const grants = { current: () => new Map() };
const start = (policies: readonly ServicePolicy[], credentials = [keys]) =>
  protect({ trustDomain: "production.internal", policies, credentials, grants, onDecision: () => undefined });

test("does not start where a method has two policies: which of them holds would be a matter of order", () => {
  expect(() => start([policy])).not.toThrow();
  expect(() => start([policy, policy])).toThrow("/a.B/C has two policies.");
});

test("does not start with two verifiers of one kind", () => {
  expect(() => start([policy], [keys, keys])).toThrow("two verifiers of one kind");
});
