import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decide, explain, type Finding, type Findings, rulesFor } from "./explain.ts";
import { Credential, Reason } from "./gen/zerotrust/auth/v1/policy_pb.ts";
import type { MethodPolicy, Rule } from "./policy.ts";

const spiffeId = "spiffe://production.internal/order-service";
const { MTLS, API_KEY, BEARER, HMAC } = Credential;

function method(...rules: Rule[]): MethodPolicy {
  return { path: "/payment.v1.PaymentService/GetPayment", requestStream: false, hasSideEffects: false, rules };
}
const verified = (client: string, ...scopes: string[]): Finding => ({
  verdict: "verified",
  client,
  scopes: new Set(scopes),
});
const grant = { client: "order-service", scopes: new Set(["read:transactions"]) };
const byCertificate = { credentials: [MTLS], scopes: ["read:transactions"] };
const bySignature = { credentials: [HMAC], scopes: ["read:transactions"] };

function lines(call: Parameters<typeof explain>[0]): string {
  return explain(call)
    .steps.map(({ title, lines: its }) => [title, ...its].join("\n"))
    .join("\n");
}

describe("explain", () => {
  test("says which rule lets a call in, and why another fell away", () => {
    const call = { method: method(byCertificate, bySignature), spiffeId, grant: undefined };
    const presented = new Map([[HMAC, verified("storefront", "read:transactions")]]);
    expect(explain({ ...call, presented }).answer).toBe("OK");
    expect(lines({ ...call, presented })).toBe(
      [
        "The peer",
        `${spiffeId}; the grants do not name it`,
        "Which rules its certificate leaves",
        "MTLS with read:transactions: falls away, since the grants do not name the peer",
        "HMAC with read:transactions: stays",
        "What its credentials are found to be",
        "HMAC: storefront, with read:transactions",
        "Which rule lets it in",
        "HMAC with read:transactions: met",
        "What the caller gets",
        "OK: let in as storefront, by HMAC with read:transactions",
      ].join("\n"),
    );
  });

  test("says which scope the grants lack, and stops where no rule is left", () => {
    const writing = { credentials: [MTLS, BEARER], scopes: ["write:payments"] };
    const { steps, answer } = explain({ method: method(writing), spiffeId, grant, presented: new Map() });
    expect(answer).toBe("PERMISSION_DENIED PEER_NOT_GRANTED");
    expect(steps.map(({ title }) => title)).toEqual([
      "The peer",
      "Which rules its certificate leaves",
      "What the caller gets",
    ]);
    expect(steps[1]?.lines).toEqual([
      "MTLS + BEARER with write:payments: falls away, since the grants do not give it write:payments",
    ]);
  });

  test.each<[string, Findings, string, string]>([
    ["what is missing", new Map(), "UNAUTHENTICATED CREDENTIAL_MISSING", "BEARER and HMAC missing"],
    [
      "which credential lacks which scope",
      new Map([
        [BEARER, verified("order-service", "read:transactions")],
        [HMAC, verified("order-service", "read:orders")],
      ]),
      "PERMISSION_DENIED SCOPE_MISSING",
      "HMAC lacks read:transactions",
    ],
    [
      "that they are of different clients",
      new Map([
        [BEARER, verified("order-service", "read:transactions")],
        [HMAC, verified("storefront", "read:transactions")],
      ]),
      "UNAUTHENTICATED CLIENT_MISMATCH",
      "the credentials name different clients",
    ],
    [
      "that one is no good",
      new Map<Credential, Finding>([
        [BEARER, verified("order-service", "read:transactions")],
        [HMAC, { verdict: "invalid", reason: Reason.CREDENTIAL_INVALID, cause: "the signing key is revoked" }],
      ]),
      "UNAUTHENTICATED CREDENTIAL_INVALID",
      "the signing key is revoked",
    ],
    [
      "that an API key is taken for a signature where no rule names API keys",
      new Map([[API_KEY, verified("order-service", "read:transactions")]]),
      "UNAUTHENTICATED CREDENTIAL_INVALID",
      "HMAC: x-api-key has an API key, where the id of a signing key is looked for",
    ],
  ])("says %s", (_, presented, answer, line) => {
    const rule = { credentials: [MTLS, BEARER, HMAC], scopes: ["read:transactions"] };
    const call = { method: method(rule), spiffeId, grant, presented };
    expect(explain(call).answer).toBe(answer);
    expect(lines(call)).toContain(line);
  });

  test("says that nobody looks at what no rule names", () => {
    const rule = { credentials: [MTLS], scopes: ["read:transactions"] };
    const presented = new Map([[BEARER, verified("storefront", "read:transactions")]]);
    const call = { method: method(rule), spiffeId, grant, presented };
    expect(explain(call).answer).toBe("OK");
    expect(lines(call)).toContain("BEARER: not looked at, since no rule that is left names it");
  });

  test("never says anything else than what decides", () => {
    const credentials = fc.uniqueArray(fc.constantFrom(MTLS, API_KEY, BEARER, HMAC), { minLength: 1 });
    const scopes = fc.uniqueArray(fc.constantFrom("a", "b"));
    const client = fc.constantFrom("order-service", "storefront");
    const finding = fc.oneof(
      fc.record({ client, scopes }).map((it) => verified(it.client, ...it.scopes)),
      fc.constant<Finding>({ verdict: "invalid", reason: Reason.CREDENTIAL_INVALID, cause: "wrong" }),
      fc.constant<Finding>({ verdict: "unavailable", cause: "down" }),
      fc.constant<Finding>({ verdict: "limited", cause: "too many" }),
    );
    const rules = fc.array(fc.record({ credentials, scopes }), { minLength: 1, maxLength: 3 });
    const granted = fc.option(fc.record({ client, scopes: scopes.map((its) => new Set(its)) }), { nil: undefined });
    const presented = fc.uniqueArray(fc.tuple(fc.constantFrom(API_KEY, BEARER, HMAC), finding), {
      selector: ([it]) => it,
    });
    fc.assert(
      fc.property(rules, granted, presented, (itsRules, itsGrant, shown) => {
        const { decision } = explain({
          method: method(...itsRules),
          spiffeId,
          grant: itsGrant,
          presented: new Map(shown),
        });
        const left = rulesFor(itsRules, itsGrant);
        fc.pre(left.length > 0);
        const named = (credential: Credential) => left.some((rule) => rule.credentials.includes(credential));
        const kinds = shown.map(([credential]) => credential);
        // One is taken for the other there, which the rows above and running services show.
        fc.pre(!kinds.some((kind) => (kind === API_KEY || kind === HMAC) && !named(kind)));
        const findings = new Map<Credential, Finding>(shown.filter(([credential]) => named(credential)));
        if (itsGrant !== undefined && named(MTLS)) findings.set(MTLS, { verdict: "verified", ...itsGrant });
        expect(decision).toEqual(decide(left, findings));
      }),
    );
  });
});
