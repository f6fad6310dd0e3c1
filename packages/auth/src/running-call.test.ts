import { X509Certificate } from "node:crypto";
import { peerOfCall } from "@zero-trust/mtls";
import { createCa } from "@zero-trust/testkit";
import { describe, expect, test } from "vitest";
import type { Finding } from "./decision.ts";
import { Credential, Reason } from "./gen/zerotrust/auth/v1/policy_pb.ts";
import type { Round } from "./open-calls.ts";
import { reasonName } from "./refusal.ts";
import { RunningCall } from "./running-call.ts";
import type { Recheck } from "./verifier.ts";

const { MTLS, API_KEY, BEARER } = Credential;
const trustDomain = "production.internal";
const ca = await createCa();
const { cert } = await ca.issue({ spiffeId: `spiffe://${trustDomain}/order-service` });
const { raw } = new X509Certificate(cert);
const wire = { getAuthContext: () => ({ sslPeerCertificate: { raw } }), getConnectionInfo: () => ({}) };
const peerNow = peerOfCall(wire);
const peer = peerNow({ trustDomain });

const good: Finding = { verdict: "verified", client: "order-service", scopes: new Set(["read:test", "more"]) };
const revoked: Finding = { verdict: "invalid", reason: Reason.CREDENTIAL_INVALID, cause: "revoked" };
const granted = (client = "order-service", ...scopes: string[]) =>
  new Map([[peer.spiffeId, { client, scopes: new Set(scopes) }]]);
const enough = granted("order-service", "read:test");

/** When the call was judged; some time before it was let in. */
const startedMs = 1_000_000;

function running(rechecks: Readonly<Record<number, Recheck>>, ...others: Credential[]) {
  const ends: string[] = [];
  const presented = Object.entries(rechecks).map(([credential, recheck]) => ({
    credential: Number(credential) as Credential,
    verification: { finding: good, recheck },
  }));
  const rule = { credentials: [...presented.map(({ credential }) => credential), ...others], scopes: ["read:test"] };
  const admission = { peerNow, trustDomain, peer, client: "order-service", rule, presented, judgedAtMs: startedMs };
  const call = new RunningCall(admission, (reason, cause) => void ends.push(`${reasonName(reason)}: ${cause}`));
  const round = (second: number, changes: Partial<Round> = {}): void => {
    call.recheck({ atMs: startedMs + second * 1000, nowMs: Date.now(), grants: enough, ...changes });
  };
  return { call, ends, round };
}

describe("a running call", () => {
  test("goes on while all that it was let in for is still good", () => {
    const { ends, round } = running({ [API_KEY]: () => good }, MTLS);
    for (let second = 1; second < 100; second += 1) round(second);
    expect(ends).toEqual([]);
  });
  test.each<[string, Finding, string]>([
    ["revoked", revoked, "CREDENTIAL_INVALID: revoked"],
    ["expired", { ...revoked, reason: Reason.CREDENTIAL_EXPIRED }, "CREDENTIAL_EXPIRED: revoked"],
    ["another client's", { ...good, client: "partner" }, "CLIENT_MISMATCH: API_KEY names another client now"],
    [
      "short of a scope",
      { ...good, scopes: new Set(["more"]) },
      "SCOPE_MISSING: API_KEY lost a scope that the rule needs",
    ],
  ])("ends once, at once, when a credential is %s", (_name, finding, expected) => {
    let answer: Finding = good;
    const { ends, round } = running({ [API_KEY]: () => answer });
    round(1);
    expect(ends).toEqual([]);
    answer = finding;
    round(2);
    round(3);
    expect(ends).toEqual([expected]);
  });
  test.each<[string, unknown, string]>([
    ["are withdrawn", new Map(), "PEER_NOT_GRANTED: the peer's grants were withdrawn"],
    ["lose the scope", granted("order-service", "more"), "PEER_NOT_GRANTED: the peer's grants were withdrawn"],
    ["name another client", granted("partner", "read:test"), "CLIENT_MISMATCH: MTLS names another client now"],
  ])("ends when the peer's grants %s, where the rule asks for MTLS, and else not", (_name, grants, expected) => {
    const byGrants = running({ [API_KEY]: () => good }, MTLS);
    byGrants.round(1, { grants });
    expect(byGrants.ends).toEqual([expected]);
    const byKey = running({ [API_KEY]: () => good });
    for (let second = 1; second < 100; second += 1) byKey.round(second, { grants });
    expect(byKey.ends).toEqual([]);
  });
  test("ends when its peer is not trusted any more", () => {
    const { ends, round } = running({}, MTLS);
    round(1, { nowMs: Date.now() + 48 * 3_600_000 });
    expect(ends).toEqual([expect.stringMatching(/^PEER_INVALID: .*expired/)]);
  });
});

describe("what cannot be told is no proof, for 30 s", () => {
  const never = new Promise<never>(() => undefined);
  const untold: [string, Recheck][] = [
    [
      "throws",
      () => {
        throw new Error("down");
      },
    ],
    ["rejects", () => Promise.reject(new Error("down"))],
    ["hangs", () => never],
    ["answers nothing", () => undefined as never],
    ["answers nonsense", () => "yes" as never],
    ["answers an unknown verdict", () => ({ verdict: "fine" }) as never],
    ["answers pending", () => ({ verdict: "pending" })],
    ["answers a client that is none", () => ({ ...good, client: "../x" })],
    ["answers no set of scopes", () => ({ ...good, scopes: ["read:test"] }) as never],
    ["refuses for no known reason", () => ({ verdict: "invalid", reason: 99, cause: "" }) as never],
    ["says unavailable", () => ({ verdict: "unavailable", cause: "down" })],
    ["promises nonsense", () => Promise.resolve("yes" as never)],
    [
      "answers what throws when it is looked at",
      () => ({
        get verdict(): never {
          throw new Error("no");
        },
      }),
    ],
  ];
  test.each(untold)("where a recheck %s", async (_name, recheck) => {
    let broken = false;
    const { ends, round } = running({ [BEARER]: (nowMs) => (broken ? recheck(nowMs) : good) });
    round(10);
    broken = true;
    for (let second = 11; second <= 39; second += 1) {
      round(second);
      await Promise.resolve();
    }
    expect(ends).toEqual([]);
    round(40);
    expect(ends).toEqual(["CHECK_UNAVAILABLE: BEARER could not be checked for 30 s"]);
  });
  test.each<[string, Partial<Round>]>([
    ["the clock is broken", { nowMs: undefined }],
    ["the grants cannot be read", { grants: undefined }],
    ["the grants are no map", { grants: {} }],
    ["the peer's grant is nonsense", { grants: new Map([[peer.spiffeId, { client: "order-service" }]]) }],
  ])("where %s", (_name, broken) => {
    const { ends, round } = running({}, MTLS);
    round(10);
    for (let second = 11; second <= 39; second += 1) round(second, broken);
    expect(ends).toEqual([]);
    round(40, broken);
    expect(ends).toEqual([expect.stringMatching(/^CHECK_UNAVAILABLE: .* could not be checked for 30 s$/)]);
  });
  test("and begins anew with every good answer", () => {
    let isDown = false;
    const recheck = () => {
      if (isDown) throw new Error("down");
      return good;
    };
    const { ends, round } = running({ [API_KEY]: recheck });
    for (let second = 1; second < 200; second += 1) {
      isDown = second % 25 !== 0;
      round(second);
    }
    expect(ends).toEqual([]);
  });
});

describe("a recheck that takes its time", () => {
  test("is not asked again before it has answered, and holds up no other", async () => {
    const asked = { slow: 0, quick: 0 };
    const answer = Promise.withResolvers<Finding>();
    const slow = () => {
      asked.slow += 1;
      return answer.promise;
    };
    const quick = () => {
      asked.quick += 1;
      return asked.quick === 3 ? revoked : good;
    };
    const { ends, round } = running({ [API_KEY]: slow, [BEARER]: quick });
    round(1);
    round(2);
    expect(asked).toEqual({ slow: 1, quick: 2 });
    round(3);
    expect(ends).toEqual(["CREDENTIAL_INVALID: revoked"]);
    answer.resolve({ ...revoked, cause: "too late" });
    await answer.promise;
    await Promise.resolve();
    expect(ends).toEqual(["CREDENTIAL_INVALID: revoked"]);
  });
  test("is as good as the time at which it was asked", async () => {
    const answer = Promise.withResolvers<Finding>();
    const { ends, round } = running({ [API_KEY]: () => answer.promise });
    round(1);
    answer.resolve(good);
    await answer.promise;
    await Promise.resolve();
    await Promise.resolve();
    round(28);
    expect(ends).toEqual([]);
    round(31);
    expect(ends).toHaveLength(1);
  });
  test("says nothing any more when its call has ended", async () => {
    const answer = Promise.withResolvers<Finding>();
    const { call, ends, round } = running({ [API_KEY]: () => answer.promise });
    round(1);
    call.stop();
    answer.resolve(revoked);
    await answer.promise;
    await Promise.resolve();
    expect(ends).toEqual([]);
  });
});
