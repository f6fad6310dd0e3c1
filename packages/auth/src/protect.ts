import type { ServerInterceptor } from "@grpc/grpc-js";
import { Attempt, type CalledMethod, credentialsOf } from "./attempt.ts";
import type { Guard } from "./gate.ts";
import { Credential } from "./gen/zerotrust/auth/v1/policy_pb.ts";
import type { GuardOptions } from "./guard-options.ts";
import { Limiter } from "./limits/limiter.ts";
import { OpenCalls } from "./open-calls.ts";
import { checkPolicy, PolicyError, type ServicePolicy } from "./policy.ts";
import { unsafeShadowMode } from "./shadow-mode.ts";
import { decoderOf } from "./wire-bytes.ts";

/** All that `protect()` needs to know. */
export interface ProtectOptions extends GuardOptions {
  /** The policies of every service of this server: `policyOf(…)` or `definePolicy(…)`. */
  readonly policies: readonly ServicePolicy[];
}

/**
 * Makes the server interceptor that lets a call in or refuses it: peer, then credentials, then scopes, then the
 * signature over the message, and only then does the handler see anything. What cannot be checked is refused. A call that would
 * not be let in any more (its certificate, key or token expired or was revoked, its grants were withdrawn) is ended within
 * seconds, whatever its kind; where that cannot be checked, within 30 s.
 *
 * @param options - trust domain, policies, grants, verifiers and the decision log
 * @throws PolicyError for a policy that nobody or anybody could meet, naming the method
 * @throws RangeError for a `decisionTimeoutMs` that is no such time, and for a limit that is none
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
  const methods = indexPolicies(options);
  const { now = Date.now, grants, decisionTimeoutMs = 500 } = options;
  if (!(decisionTimeoutMs > 0 && decisionTimeoutMs <= maxDecisionTimeoutMs)) {
    throw new RangeError(`decisionTimeoutMs is more than 0 and at most ${maxDecisionTimeoutMs} ms.`);
  }
  const guard: Guard = {
    options,
    limiter: new Limiter(options.limits),
    open: new OpenCalls(now, () => grants.current()),
    hiddenKeys: [...claimedIdentities, ...options.credentials.flatMap((verifier) => verifier.metadataKeys)],
    timeoutMs: decisionTimeoutMs,
    // oxlint-disable-next-line typescript/no-deprecated -- this is where it is obeyed
    isShadow: options[unsafeShadowMode] === true,
  };
  if (guard.isShadow) {
    process.emitWarning("protect() is in shadow mode: it lets every call in, whoever sends it.", {
      type: "SecurityWarning",
      code: "ZERO_TRUST_SHADOW_MODE",
    });
  }
  return function protectCall({ path, requestDeserialize }, nextCall) {
    const method = methods.get(path) ?? { path, policy: undefined, named: new Set() };
    return new Attempt(guard, method, nextCall, decoderOf(requestDeserialize)).call;
  };
}

/** Metadata with which proxies vouch for a caller. Nobody vouches here, so no handler gets to see it. */
const claimedIdentities = ["x-client-cn", "x-client-verify", "x-forwarded-client-cert", "x-forwarded-for"];

/** Nobody waits longer for a decision than for a call. */
const maxDecisionTimeoutMs = 30_000;

function indexPolicies({ policies, credentials }: ProtectOptions): ReadonlyMap<string, CalledMethod> {
  const kinds = credentials.map((verifier) => verifier.credential);
  if (new Set(kinds).size !== kinds.length) throw new PolicyError("protect() was given two verifiers of one kind.");
  const byPath = new Map<string, CalledMethod>();
  for (const policy of policies) {
    checkPolicy(policy, new Set([Credential.MTLS, ...kinds]));
    for (const method of policy) {
      if (byPath.has(method.path)) throw new PolicyError(`${method.path} has two policies.`);
      byPath.set(method.path, { path: method.path, policy: method, named: credentialsOf(method.rules) });
    }
  }
  return byPath;
}
