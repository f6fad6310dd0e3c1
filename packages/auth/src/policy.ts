import { type DescMethod, type DescService, getOption, hasOption } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import type { ServiceDefinition } from "@grpc/grpc-js";
import { Credential, policy as policyOption } from "./gen/zerotrust/auth/v1/policy_pb.ts";

/** What a call has to show to be let in: all the credentials, each of which grants all the scopes by itself. */
export interface Rule {
  readonly credentials: readonly Credential[];
  /** None means that being known is enough. */
  readonly scopes: readonly string[];
}

/** The rules of one method, any one of which lets a call in. */
export interface MethodPolicy {
  /** The full method name as it goes over the wire: `/package.Service/Method`. */
  readonly path: string;
  readonly requestStream: boolean;
  /** False only where the method says so: `option idempotency_level = NO_SIDE_EFFECTS`. */
  readonly hasSideEffects: boolean;
  readonly rules: readonly Rule[];
  /**
   * Its calls are not counted against their client, for what is asked to see whether a server is well: an answer must not depend on
   * where limits are counted. They are counted against the workload all the same.
   */
  readonly isProbe?: true;
}

/** The policies of all methods of one service. */
export type ServicePolicy = readonly MethodPolicy[];

/** A policy that cannot be enforced as it is written; the message names the method and what to change. */
export class PolicyError extends Error {
  override readonly name = "PolicyError";
}

/**
 * Reads the policies of a service from the option `(zerotrust.auth.v1.policy)` of its methods.
 *
 * A method without the option gets a policy without rules, which `protect()` refuses at start-up.
 *
 * @param service - the descriptor that protobuf-es generates
 * @example
 * ```ts
 * import type { DescService } from "@bufbuild/protobuf";
 * import { policyOf } from "@zero-trust/auth";
 *
 * export const pathsWithoutRules = (service: DescService): readonly string[] =>
 *   policyOf(service).filter(({ rules }) => rules.length === 0).map(({ path }) => path);
 * ```
 */
export function policyOf(service: DescService): ServicePolicy {
  return service.methods.map((method) => ({
    path: pathOf(method),
    requestStream: streamsRequests(method),
    hasSideEffects: hasSideEffects(method),
    rules: hasOption(method, policyOption) ? getOption(method, policyOption).rules : [],
  }));
}

/** One key per method of a protobuf-es service; per entry of a grpc-js definition. */
export type MethodRules<S extends DescService | ServiceDefinition> = S extends DescService
  ? { readonly [M in keyof S["method"]]: readonly Rule[] }
  : { readonly [M in keyof S]: readonly Rule[] };

/** Refuses to compile what would be open to nobody or to anybody, and names that there is no method for. */
type Demanding<M, Known> = {
  readonly [K in keyof M]: K extends keyof Known
    ? M[K] extends readonly []
      ? "a method needs a rule"
      : {
          readonly [R in keyof M[K]]: M[K][R] extends { readonly credentials: readonly [] }
            ? "a rule needs a credential"
            : M[K][R];
        }
    : "there is no such method";
};

/**
 * Writes down the policies of a service whose .proto carries none; leaving a method out does not compile, nor does an
 * empty list of rules or of credentials.
 *
 * @param service - a protobuf-es descriptor, or the definition that any other generator made for grpc-js
 * @param methods - the rules of each method, under the name that the descriptor or definition gives it
 * @throws PolicyError when a method has no entry, or an entry no method
 * @example
 * ```ts
 * import { Credential, definePolicy } from "@zero-trust/auth";
 * import type { ServiceDefinition } from "@grpc/grpc-js";
 *
 * const policyFor = (service: ServiceDefinition) =>
 *   definePolicy(service, { Check: [{ credentials: [Credential.MTLS], scopes: [] }] });
 * ```
 */
export function definePolicy<S extends DescService | ServiceDefinition, const M extends MethodRules<S>>(
  service: S,
  methods: M & Demanding<M, MethodRules<S>>,
): ServicePolicy {
  const entries = new Map<string, readonly Rule[]>(Object.entries<readonly Rule[]>(methods));
  const policies = methodsOf(service).map(({ key, ...method }) => {
    const rules = entries.get(key);
    if (rules === undefined) throw new PolicyError(`${method.path} has no policy: add rules for "${key}".`);
    entries.delete(key);
    return { ...method, rules };
  });
  for (const key of entries.keys()) throw new PolicyError(`There is no method "${key}" to have a policy.`);
  return policies;
}

/** RFC 6749 §3.3: what a scope may consist of. Nothing else could ever stand in a token. */
const scopeToken = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

/**
 * Checks that every rule can be met and that none is met by nobody in particular.
 *
 * @param policy - one service's policies
 * @param verified - the credentials that the server has a verifier for
 * @throws PolicyError naming the method
 */
export function checkPolicy(policy: ServicePolicy, verified: ReadonlySet<Credential>): void {
  for (const { path, requestStream, rules } of policy) {
    if (rules.length === 0)
      throw new PolicyError(`${path} has no policy: give it the option (zerotrust.auth.v1.policy).`);
    for (const rule of rules) {
      const problem = problemOf(rule, requestStream, verified);
      if (problem !== undefined) throw new PolicyError(`The policy of ${path} ${problem}.`);
    }
  }
}

function problemOf(rule: Rule, requestStream: boolean, verified: ReadonlySet<Credential>): string | undefined {
  const { credentials, scopes } = rule;
  if (![credentials, scopes].every((list) => Array.isArray(list)))
    return "has a rule whose credentials or scopes are no list";
  if (credentials.length === 0) return "has a rule without credentials, which would be open to anybody";
  if (new Set(credentials).size !== credentials.length) return "names a credential twice in one rule";
  for (const credential of credentials) {
    const name = nameOf(credential);
    if (name === undefined || credential === Credential.UNSPECIFIED) return "names a credential that does not exist";
    if (!verified.has(credential)) return `needs ${name}, and protect() was given no verifier for it`;
  }
  if (credentials.includes(Credential.HMAC) && requestStream) {
    return "needs HMAC on a stream of requests, which a signature over one message cannot cover";
  }
  if (credentials.includes(Credential.HMAC) && credentials.includes(Credential.API_KEY)) {
    return "needs API_KEY and HMAC in one rule, which share the key x-api-key";
  }
  for (const scope of scopes) {
    if (!scopeToken.test(scope)) return `names the scope ${JSON.stringify(scope)}, which no credential can carry`;
  }
  return undefined;
}

const credentialNames: ReadonlyMap<Credential, string> = new Map(
  Object.entries(Credential).map(([name, credential]) => [credential, name]),
);

/** The name of a credential, `BEARER` for instance; undefined where there is none. */
export function nameOf(credential: Credential): string | undefined {
  return credentialNames.get(credential);
}

interface Method extends Omit<MethodPolicy, "rules"> {
  readonly key: string;
}

function methodsOf(service: DescService | ServiceDefinition): Method[] {
  if (isDescService(service)) {
    return service.methods.map((method) => ({
      key: method.localName,
      path: pathOf(method),
      requestStream: streamsRequests(method),
      hasSideEffects: hasSideEffects(method),
    }));
  }
  return Object.entries(service).map(([key, method]) => ({
    key,
    path: method.path,
    requestStream: method.requestStream,
    hasSideEffects: !saysNoSideEffects(method),
  }));
}

function isDescService(service: DescService | ServiceDefinition): service is DescService {
  return "kind" in service && service["kind"] === "service";
}

function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

function streamsRequests(method: DescMethod): boolean {
  return method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming";
}

function hasSideEffects(method: DescMethod): boolean {
  return method.idempotency !== MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
}

/** Definitions of proto-loader carry the method's options, which the types of grpc-js do not know. */
function saysNoSideEffects(method: object): boolean {
  const options: unknown = "options" in method ? method.options : undefined;
  return (
    typeof options === "object" &&
    options !== null &&
    "idempotency_level" in options &&
    options.idempotency_level === "NO_SIDE_EFFECTS"
  );
}
