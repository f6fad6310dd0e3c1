import { expect, test } from "vitest";
import { claimIn, findingIn, grantIn, yesOrNoIn } from "./answers.ts";
import { Reason } from "./gen/zerotrust/auth/v1/policy_pb.ts";

const scopes = new Set(["read:test"]);
const verified = { verdict: "verified", client: "storefront", scopes };
const invalid = { verdict: "invalid", reason: Reason.CREDENTIAL_INVALID, cause: "wrong" };

test("a finding is taken as it is, and nothing else of it", () => {
  expect(findingIn({ ...verified, admin: true })).toEqual(verified);
  expect(findingIn(invalid)).toEqual(invalid);
});

test.each<[string, unknown]>([
  ["nothing", undefined],
  ["null", null],
  ["yes", true],
  ["a text", "verified"],
  ["a promise of a finding", Promise.resolve(verified)],
  ["an unknown verdict", { ...verified, verdict: "ok" }],
  ["no verdict", { client: "storefront", scopes }],
  ["no client", { verdict: "verified", scopes }],
  ["an empty client", { ...verified, client: "" }],
  ["a client out of its grammar", { ...verified, client: "store\nfront" }],
  ["a client that is an object", { ...verified, client: { toString: () => "storefront" } }],
  ["scopes in a list", { ...verified, scopes: ["read:test"] }],
  ["no scopes", { verdict: "verified", client: "storefront" }],
  ["a reason that is none", { ...invalid, reason: 99 }],
])("%s in place of a finding is not believed", (_name, answer) => {
  expect(findingIn(answer)).toMatchObject({ verdict: "unavailable" });
});

test("a promise in its place that is rejected ends no process", async () => {
  expect(findingIn(Promise.reject(new Error("late")))).toMatchObject({ verdict: "unavailable" });
  await new Promise(setImmediate);
});

test("a nonce is new where nothing is said against it, and never because something odd is", () => {
  expect(claimIn(undefined)).toBeUndefined();
  expect(claimIn(invalid)).toEqual(invalid);
  for (const answer of [null, false, "new", verified, Promise.resolve(undefined)]) {
    expect(claimIn(answer)?.verdict).toBe("unavailable");
  }
});

test("a yes or no is one", () => {
  expect([yesOrNoIn(true, "it"), yesOrNoIn(false, "it")]).toEqual([true, false]);
  for (const answer of [undefined, null, 0, 1, "yes", {}, Promise.resolve(true)]) {
    expect(() => yesOrNoIn(answer, "it")).toThrow("it answered neither yes nor no");
  }
});

test("grants that are no grants are an error, and not nobody's", () => {
  const id = "spiffe://production.internal/storefront";
  const grant = { client: "storefront", scopes };
  expect(grantIn(new Map([[id, grant]]), id)).toEqual(grant);
  expect(grantIn(new Map(), id)).toBeUndefined();
  for (const grants of [
    undefined,
    null,
    {},
    [[id, grant]],
    new Map([[id, {}]]),
    new Map([[id, { ...grant, client: "" }]]),
  ]) {
    expect(() => grantIn(grants, id)).toThrow(Error);
  }
});
