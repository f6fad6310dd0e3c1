import type { Mutant } from "./mutant.ts";

const file = "packages/auth/src/decision.ts";
const tests = ["packages/auth/src/decision.test.ts"];

/** How credentials and rules become a decision. */
export const decisionMutants: readonly Mutant[] = [
  {
    id: "scopes-added-up",
    opens: "two credentials that each hold half of what a rule needs are let in together",
    file,
    search: "if (!grants(finding.scopes, rule.scopes)) lacksScope = true;",
    replace:
      "const held = [...findings.values()].flatMap((each) => (each.verdict === 'verified' ? [...each.scopes] : []));\n    if (!grants(new Set(held), rule.scopes)) lacksScope = true;",
    tests,
  },
  {
    id: "one-scope-is-enough",
    opens: "one scope of a rule that names several lets its holder in",
    file,
    search: "return needed.every((scope) => held.has(scope));",
    replace: "return needed.length === 0 || needed.some((scope) => held.has(scope));",
    tests,
  },
  {
    id: "any-scope-is-enough",
    opens: "a credential for something else lets its holder in",
    file,
    search: "return needed.every((scope) => held.has(scope));",
    replace: "return needed.length === 0 || held.size > 0;",
    tests,
  },
  {
    id: "client-mismatch-ignored",
    opens: "somebody's token goes with somebody else's certificate",
    file,
    search: "if (finding.client !== client) mismatches = true;",
    replace: "",
    tests,
  },
  {
    id: "mtls-rule-without-grants",
    opens: "any certificate of the trust domain meets a rule that names mutual TLS",
    file,
    search: "!rule.credentials.includes(Credential.MTLS) || (grant !== undefined && grants(grant.scopes, rule.scopes))",
    replace: "grant === undefined || grants(grant.scopes, rule.scopes)",
    tests,
  },
  {
    id: "one-credential-is-enough",
    opens: "one of the credentials that a rule needs together lets its holder in",
    file,
    search: `if (finding?.verdict !== "verified") return`,
    replace: `if (finding === undefined) continue;\n    if (finding.verdict !== "verified") return`,
    tests,
  },
  {
    id: "invalid-beside-good",
    opens: "wrong credentials can be tried for free beside a good one",
    file,
    search: `if (finding.verdict === "invalid") return`,
    replace: `if (finding.verdict === "invalid" && findings.size === 1) return`,
    tests,
  },
  {
    id: "unavailable-is-missing",
    opens: "a check that failed reads as a credential that was not sent, and callers give up their credentials",
    file,
    search: "return unavailable === undefined",
    replace: "return unavailable === undefined || rules.length > 0",
    tests,
  },
  {
    id: "pending-signature-counts",
    opens: "a call is let in before the signature over its message is checked",
    file,
    search: "return isPending || tried.client === undefined ?",
    replace: "return tried.client === undefined ?",
    tests,
  },
];
