import type { ServerInterceptor } from "@grpc/grpc-js";
import { Attempt, type GuardOptions } from "./attempt.ts";
import { Credential } from "./gen/zerotrust/auth/v1/policy_pb.ts";
import { OpenCalls } from "./open-calls.ts";
import { checkPolicy, type MethodPolicy, PolicyError, type ServicePolicy } from "./policy.ts";
import { decoderOf } from "./wire-bytes.ts";

/** All that `protect()` needs to know. */
export interface ProtectOptions extends GuardOptions {
  /** The policies of every service of this server: `policyOf(…)` or `definePolicy(…)`. */
  readonly policies: readonly ServicePolicy[];
}

/**
 * Makes the server interceptor that lets a call in or refuses it: peer, then credentials, then scopes, then the
 * signature over the message, and only then does the handler see anything. What cannot be checked is refused. A call whose
 * peer is not trusted any more (its certificate expired or was revoked) is ended with UNAUTHENTICATED within a second.
 *
 * @param options - trust domain, policies, grants, verifiers and the decision log
 * @throws PolicyError for a policy that nobody or anybody could meet, naming the method
 * @example
 * ```ts
 * import { Server, type ServiceDefinition } from "@grpc/grpc-js";
 * import { Credential, definePolicy } from "@zero-trust/auth";
 * import { type GrantSource, protect } from "@zero-trust/auth/server";
 *
 * export function protectedServer(service: ServiceDefinition, grants: GrantSource): Server {
 *   const rules = [{ credentials: [Credential.MTLS], scopes: ["read:test"] }];
 *   const policies = [definePolicy(service, { Ping: rules })];
 *   const trustDomain = "production.internal";
 *   const guard = protect({ trustDomain, policies, grants, credentials: [], onDecision: console.log });
 *   return new Server({ interceptors: [guard] });
 * }
 * ```
 */
export function protect(options: ProtectOptions): ServerInterceptor {
  const policies = indexPolicies(options);
  const open = new OpenCalls();
  return function protectCall({ path, requestDeserialize }, nextCall) {
    const method = { path, policy: policies.get(path), decode: decoderOf(requestDeserialize) };
    return new Attempt(options, open, method, nextCall).call;
  };
}

function indexPolicies({ policies, credentials }: ProtectOptions): ReadonlyMap<string, MethodPolicy> {
  const kinds = credentials.map((verifier) => verifier.credential);
  if (new Set(kinds).size !== kinds.length) throw new PolicyError("protect() was given two verifiers of one kind.");
  const byPath = new Map<string, MethodPolicy>();
  for (const policy of policies) {
    checkPolicy(policy, new Set([Credential.MTLS, ...kinds]));
    for (const method of policy) {
      if (byPath.has(method.path)) throw new PolicyError(`${method.path} has two policies.`);
      byPath.set(method.path, method);
    }
  }
  return byPath;
}
