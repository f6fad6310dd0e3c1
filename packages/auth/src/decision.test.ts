import { describe, expect, test } from "vitest";
import { decide, type Finding, type Findings, rulesFor } from "./decision.ts";
import { Credential, Reason } from "./gen/zerotrust/auth/v1/policy_pb.ts";
import type { Rule } from "./policy.ts";

const { MTLS, API_KEY, BEARER, HMAC } = Credential;

const rule = (credentials: Credential[], ...scopes: string[]): Rule => ({ credentials, scopes });
const verified = (client: string, ...scopes: string[]): Finding => ({
  verdict: "verified",
  client,
  scopes: new Set(scopes),
});
const wrong: Finding = { verdict: "invalid", reason: Reason.CREDENTIAL_INVALID, cause: "wrong" };
const replayed: Finding = { verdict: "invalid", reason: Reason.CREDENTIAL_REPLAYED, cause: "again" };
const unknown: Finding = { verdict: "unavailable", cause: "down" };
const limited: Finding = { verdict: "limited", cause: "too many" };
const pending: Finding = { verdict: "pending" };

const found = (...entries: [Credential, Finding][]): Findings => new Map(entries);

describe("rulesFor: what a peer's grants leave of a policy", () => {
  const write = rule([MTLS, BEARER], "write");
  const read = rule([HMAC], "read");

  test("drops a rule with MTLS for a peer without grants, and keeps the others", () => {
    expect(rulesFor([write, read], undefined)).toEqual([read]);
  });
  test("drops a rule with MTLS whose scope the peer's grants lack", () => {
    expect(rulesFor([write], { client: "order", scopes: new Set(["read"]) })).toEqual([]);
  });
  test("keeps a rule whose scopes the peer's grants hold", () => {
    expect(rulesFor([write], { client: "order", scopes: new Set(["write", "read"]) })).toEqual([write]);
  });
  test("asks a rule of MTLS without scopes for a grant all the same", () => {
    expect(rulesFor([rule([MTLS])], undefined)).toEqual([]);
    expect(rulesFor([rule([MTLS])], { client: "order", scopes: new Set() })).toHaveLength(1);
  });
});

describe("decide: the table", () => {
  const all = rule([MTLS, BEARER, HMAC], "pay");
  const either = [rule([API_KEY], "read"), rule([BEARER], "read")];
  const pay = (client: string) => verified(client, "pay");

  const table: [string, readonly Rule[], Findings, string][] = [
    ["lets in what shows all credentials", [all], found([MTLS, pay("a")], [BEARER, pay("a")], [HMAC, pay("a")]), "a"],
    ["lets in by the second rule", either, found([BEARER, verified("b", "read")]), "b"],
    ["needs no scope where the rule has none", [rule([API_KEY])], found([API_KEY, verified("c")]), "c"],
    ["refuses nothing shown", either, found(), "CREDENTIAL_MISSING"],
    ["refuses a part of what a rule needs", [all], found([MTLS, pay("a")], [BEARER, pay("a")]), "CREDENTIAL_MISSING"],
    ["refuses a missing scope", either, found([API_KEY, verified("r", "write")]), "SCOPE_MISSING"],
    [
      "never adds scopes up over credentials",
      [rule([BEARER, API_KEY], "x", "y")],
      found([BEARER, verified("a", "x")], [API_KEY, verified("a", "y")]),
      "SCOPE_MISSING",
    ],
    [
      "asks every credential of the rule for the scope",
      [all],
      found([MTLS, pay("a")], [BEARER, verified("a", "other")], [HMAC, pay("a")]),
      "SCOPE_MISSING",
    ],
    [
      "refuses credentials of different clients",
      [all],
      found([MTLS, pay("a")], [BEARER, pay("b")], [HMAC, pay("a")]),
      "CLIENT_MISMATCH",
    ],
    [
      "refuses an invalid credential beside a good one",
      either,
      found([API_KEY, verified("r", "read")], [BEARER, wrong]),
      "CREDENTIAL_INVALID",
    ],
    [
      "passes the reason of the invalid credential on",
      [all],
      found([MTLS, pay("a")], [HMAC, replayed]),
      "CREDENTIAL_REPLAYED",
    ],
    ["says unavailable where a credential could not be checked", either, found([BEARER, unknown]), "CHECK_UNAVAILABLE"],
    [
      "lets in by a rule that needs nothing of what could not be checked",
      either,
      found([API_KEY, verified("r", "read")], [BEARER, unknown]),
      "r",
    ],
    [
      "says unavailable rather than scope missing",
      either,
      found([API_KEY, verified("r")], [BEARER, unknown]),
      "CHECK_UNAVAILABLE",
    ],
    ["says invalid rather than unavailable", either, found([API_KEY, unknown], [BEARER, wrong]), "CREDENTIAL_INVALID"],
    ["says that it was too much", [rule([HMAC])], found([HMAC, limited]), "RATE_LIMITED"],
    ["waits for a signature", [rule([HMAC], "read")], found([HMAC, pending]), "pending"],
    [
      "waits for a signature even where another rule is met",
      [rule([MTLS]), rule([HMAC])],
      found([MTLS, verified("a")], [HMAC, pending]),
      "pending",
    ],
    ["does not wait where the rest is missing", [all], found([MTLS, pay("a")], [HMAC, pending]), "CREDENTIAL_MISSING"],
    [
      "does not wait where the rest lacks the scope",
      [all],
      found([MTLS, pay("a")], [BEARER, verified("a")], [HMAC, pending]),
      "SCOPE_MISSING",
    ],
  ];

  test.each(table)("%s", (_claim, rules, findings, expected) => {
    const decision = decide(rules, findings);
    const got =
      decision.outcome === "allowed"
        ? decision.client
        : decision.outcome === "pending"
          ? "pending"
          : reason(decision.reason);
    expect(got).toBe(expected);
  });

  test("lets nobody in where no rule remains", () => {
    expect(decide([], found([API_KEY, verified("a", "read")])).outcome).toBe("refused");
  });
  test("tries rules in their order", () => {
    const decision = decide(
      [rule([API_KEY]), rule([BEARER])],
      found([API_KEY, verified("a")], [BEARER, verified("a")]),
    );
    expect(decision).toMatchObject({ outcome: "allowed", rule: { credentials: [API_KEY] } });
  });
});

function reason(value: Reason): string | undefined {
  return Object.entries(Reason).find(([, number]) => number === value)?.[0];
}
