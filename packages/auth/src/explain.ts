import { status } from "@grpc/grpc-js";
import { type Decision, decide, type Finding, type Findings, type Grant, rulesFor } from "./decision.ts";
import { Credential, Reason } from "./gen/zerotrust/auth/v1/policy_pb.ts";
import { type MethodPolicy, nameOf, type Rule } from "./policy.ts";
import { reasonName, refusal } from "./refusal.ts";

export { type Decision, decide, type Finding, type Findings, type Grant, rulesFor } from "./decision.ts";
export { checkPolicy, nameOf } from "./policy.ts";

/** A call as far as it is decided by policy: who is at the other end, and what its credentials would be found to be. */
export interface ExplainedCall {
  readonly method: MethodPolicy;
  /** The SPIFFE ID of the peer; undefined for some workload of the trust domain that nobody granted anything. */
  readonly spiffeId: string | undefined;
  /** What the grants file gives to the peer. */
  readonly grant: Grant | undefined;
  /** A finding for each credential that is presented, besides the certificate. */
  readonly presented: Findings;
}

/** One of the five steps, in words. */
export interface ExplainedStep {
  readonly title: string;
  readonly lines: readonly string[];
}

/** What would come of a call, and why. */
export interface Explanation {
  readonly decision: Decision;
  /** What the caller gets: `OK`, or the code and the reason of the refusal. */
  readonly answer: string;
  readonly steps: readonly ExplainedStep[];
}

/**
 * Walks through the decision of a call, by the functions that decide in `protect()`, and says in words what each step
 * finds. The certificate is taken to be good, and a signature to be right.
 *
 * @param call - the method, the peer and what it presents
 * @example
 * ```ts
 * import { Credential, type MethodPolicy } from "@zero-trust/auth";
 * import { explain, type Finding } from "@zero-trust/auth/explain";
 *
 * export function answerTo(client: string, method: MethodPolicy): string {
 *   const key: Finding = { verdict: "verified", client, scopes: new Set(["read:transactions"]) };
 *   const presented = new Map([[Credential.API_KEY, key]]);
 *   return explain({ method, spiffeId: undefined, grant: undefined, presented }).answer;
 * }
 * ```
 */
export function explain(call: ExplainedCall): Explanation {
  const { method, spiffeId, grant, presented } = call;
  const peer = { title: "The peer", lines: [peerLine(spiffeId, grant)] };
  const rules = rulesFor(method.rules, grant);
  const lines = method.rules.map(
    (rule) => `${describe(rule)}: ${rules.includes(rule) ? "stays" : whyGone(rule, call)}`,
  );
  const remaining = { title: "Which rules its certificate leaves", lines };
  if (rules.length === 0) {
    const cause = "the peer's grants meet no rule of the method";
    return concluded([peer, remaining], { outcome: "refused", reason: Reason.PEER_NOT_GRANTED, cause });
  }
  const named = new Set(rules.flatMap(({ credentials }) => credentials));
  const findings = read(presented, named);
  if (grant !== undefined && named.has(Credential.MTLS)) {
    findings.set(Credential.MTLS, { verdict: "verified", ...grant });
  }
  const unread = [...presented.keys()].filter((credential) => !named.has(credential));
  const verified = [
    ...[...findings].map(([credential, finding]) => `${nameOf(credential)}: ${describeFinding(finding)}`),
    ...unread.map((credential) => `${nameOf(credential)}: not looked at, since no rule that is left names it`),
  ];
  const decision = decide(rules, findings);
  return concluded(
    [
      peer,
      remaining,
      { title: "What its credentials are found to be", lines: verified.length > 0 ? verified : ["it presents none"] },
      { title: "Which rule lets it in", lines: rules.map((rule) => `${describe(rule)}: ${verdictOn(rule, findings)}`) },
    ],
    decision,
  );
}

/**
 * What is found, as the remaining rules make the verifiers look: an API key and a signature share `x-api-key`, so one of them
 * is taken for the other, and refused, where the rules name the other alone.
 */
function read(presented: Findings, named: ReadonlySet<Credential>): Map<Credential, Finding> {
  const findings = new Map<Credential, Finding>([...presented].filter(([credential]) => named.has(credential)));
  for (const [shown, taken, cause] of mistakable) {
    if (presented.has(shown) && !named.has(shown) && named.has(taken) && !findings.has(taken)) {
      findings.set(taken, { verdict: "invalid", reason: Reason.CREDENTIAL_INVALID, cause });
    }
  }
  return findings;
}

const mistakable = [
  [Credential.API_KEY, Credential.HMAC, "x-api-key has an API key, where the id of a signing key is looked for"],
  [Credential.HMAC, Credential.API_KEY, "x-api-key has the id of a signing key, where an API key is looked for"],
] as const;

/** A rule as people read it: `MTLS + BEARER with write:payments`. */
export function describe({ credentials, scopes }: Rule): string {
  const names = credentials.map((credential) => nameOf(credential) ?? "?").join(" + ");
  return scopes.length === 0 ? names : `${names} with ${scopes.join(" ")}`;
}

function concluded(steps: readonly ExplainedStep[], decision: Decision): Explanation {
  const answer = answerOf(decision);
  const line =
    decision.outcome === "allowed"
      ? `OK: let in as ${decision.client}, by ${describe(decision.rule)}`
      : `${answer}: ${decision.outcome === "refused" ? decision.cause : "the signature decides"}`;
  return { decision, answer, steps: [...steps, { title: "What the caller gets", lines: [line] }] };
}

function answerOf(decision: Decision): string {
  if (decision.outcome !== "refused") return "OK";
  return `${status[refusal(decision.reason, 0).code]} ${reasonName(decision.reason)}`;
}

function peerLine(spiffeId: string | undefined, grant: Grant | undefined): string {
  const who = spiffeId ?? "any workload of the trust domain";
  if (grant === undefined) return `${who}; the grants do not name it`;
  const scopes = [...grant.scopes].join(" ");
  return `${who}; the grants call it ${grant.client} and give it ${scopes === "" ? "no scope" : scopes}`;
}

function whyGone({ scopes }: Rule, { grant }: ExplainedCall): string {
  if (grant === undefined) return "falls away, since the grants do not name the peer";
  return `falls away, since the grants do not give it ${scopes.filter((scope) => !grant.scopes.has(scope)).join(" ")}`;
}

function describeFinding(finding: Finding): string {
  if (finding.verdict === "verified") {
    return `${finding.client}, with ${[...finding.scopes].join(" ") || "no scope"}`;
  }
  return finding.verdict === "pending" ? "waits for the message" : finding.cause;
}

/** What the rule alone comes to, by the same function, so that the words cannot say anything else. */
function verdictOn(rule: Rule, findings: Findings): string {
  const missing = rule.credentials.filter((credential) => !findings.has(credential));
  if (missing.length > 0) return `${missing.map((credential) => nameOf(credential)).join(" and ")} missing`;
  const decision = decide(
    [rule],
    new Map([...findings].filter(([credential]) => rule.credentials.includes(credential))),
  );
  if (decision.outcome === "allowed") return "met";
  if (decision.outcome === "pending") return "waits for the message";
  return decision.reason === Reason.SCOPE_MISSING
    ? `not met: ${lacking(rule, findings)}`
    : `not met: ${decision.cause}`;
}

function lacking({ credentials, scopes }: Rule, findings: Findings): string {
  const lacks = credentials.flatMap((credential) => {
    const finding = findings.get(credential);
    if (finding?.verdict !== "verified") return [];
    const missing = scopes.filter((scope) => !finding.scopes.has(scope));
    return missing.length === 0 ? [] : [`${nameOf(credential)} lacks ${missing.join(" ")}`];
  });
  return lacks.join(", ");
}
