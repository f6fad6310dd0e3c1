import { Credential, Reason } from "./gen/zerotrust/auth/v1/policy_pb.ts";
import type { Rule } from "./policy.ts";

/** What was found out about one presented credential. */
export type Finding =
  | { readonly verdict: "verified"; readonly client: string; readonly scopes: ReadonlySet<string> }
  /** A signature whose message has not arrived: it refuses nothing yet, and lets nothing in. */
  | { readonly verdict: "pending" }
  | { readonly verdict: "invalid"; readonly reason: Reason; readonly cause: string }
  | { readonly verdict: "unavailable"; readonly cause: string }
  /** It asked for too much; in `retryAfterMs` it may ask again, where that is known. */
  | { readonly verdict: "limited"; readonly cause: string; readonly retryAfterMs?: number };

/** A finding for each presented credential that some remaining rule names. */
export type Findings = ReadonlyMap<Credential, Finding>;

/** Whether the call is let in, and by which rule or for which reason not. */
export type Decision =
  | { readonly outcome: "allowed"; readonly client: string; readonly rule: Rule }
  /** Everything but a signature is there; decide again when it has been checked. */
  | { readonly outcome: "pending" }
  | { readonly outcome: "refused"; readonly reason: Reason; readonly cause: string; readonly retryAfterMs?: number };

/** A decision to refuse. */
export type Refused = Extract<Decision, { outcome: "refused" }>;

/** What the grants file gives to one SPIFFE ID. */
export interface Grant {
  readonly client: string;
  readonly scopes: ReadonlySet<string>;
}

/**
 * Step 2: the rules that stay, once those that the peer's certificate cannot meet have fallen away.
 *
 * @param rules - of the method
 * @param grant - what the grants give to the peer; undefined where they do not name it
 */
export function rulesFor(rules: readonly Rule[], grant: Grant | undefined): readonly Rule[] {
  const stays = (rule: Rule) =>
    !rule.credentials.includes(Credential.MTLS) || (grant !== undefined && grants(grant.scopes, rule.scopes));
  // All of them for most callers: then it is the policy's own list, about which more is known.
  return rules.every(stays) ? rules : rules.filter(stays);
}

/**
 * Steps 3 to 5: decides a call from what was found out about the credentials it presented. A credential that is invalid
 * refuses the call whatever else it carries; then the first rule that is met lets it in.
 *
 * @param rules - the rules that remain after {@link rulesFor}, in the order of the policy
 * @param findings - a finding for each presented credential; one that is missing was not presented
 */
export function decide(rules: readonly Rule[], findings: Findings): Decision {
  let isPending = false;
  let unavailable: string | undefined;
  for (const finding of findings.values()) {
    if (finding.verdict === "invalid") return refused(finding.reason, finding.cause);
    if (finding.verdict === "limited") return limited(finding);
    if (finding.verdict === "pending") isPending = true;
    if (finding.verdict === "unavailable") unavailable ??= finding.cause;
  }
  let objection: Objection = objections.missing;
  for (const rule of rules) {
    const tried = tryRule(rule, findings);
    if ("client" in tried) {
      return isPending || tried.client === undefined ? { outcome: "pending" } : allowed(rule, tried.client);
    }
    if (tried.rank > objection.rank) objection = tried;
  }
  return unavailable === undefined
    ? refused(objection.reason, objection.cause)
    : refused(Reason.CHECK_UNAVAILABLE, unavailable);
}

/** What may stand against a rule; of those against several, the highest is told. */
const objections = {
  missing: { rank: 0, reason: Reason.CREDENTIAL_MISSING, cause: "no rule has all its credentials" },
  mismatch: { rank: 1, reason: Reason.CLIENT_MISMATCH, cause: "the credentials name different clients" },
  scope: { rank: 2, reason: Reason.SCOPE_MISSING, cause: "the credentials lack a scope that the rule needs" },
} as const;
type Objection = (typeof objections)[keyof typeof objections];

/** The client that meets a rule (undefined while only a signature speaks for it), or what stands against it. */
function tryRule(rule: Rule, findings: Findings): { readonly client: string | undefined } | Objection {
  let client: string | undefined;
  let mismatches = false;
  let lacksScope = false;
  for (const credential of rule.credentials) {
    const finding = findings.get(credential);
    if (finding?.verdict === "pending") continue;
    if (finding?.verdict !== "verified") return objections.missing;
    client ??= finding.client;
    if (finding.client !== client) mismatches = true;
    if (!grants(finding.scopes, rule.scopes)) lacksScope = true;
  }
  if (mismatches) return objections.mismatch;
  return lacksScope ? objections.scope : { client };
}

function allowed(rule: Rule, client: string): Decision {
  return { outcome: "allowed", client, rule };
}

/** What a call gets whose caller has had what it may. */
export function limited({ cause, retryAfterMs }: Extract<Finding, { verdict: "limited" }>): Refused {
  return {
    ...refused(Reason.RATE_LIMITED, cause),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

function refused(reason: Reason, cause: string): Refused {
  return { outcome: "refused", reason, cause };
}

function grants(held: ReadonlySet<string>, needed: readonly string[]): boolean {
  return needed.every((scope) => held.has(scope));
}
