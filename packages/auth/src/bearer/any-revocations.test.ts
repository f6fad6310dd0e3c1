import { expect, test } from "vitest";
import { anyRevocations } from "./any-revocations.ts";
import { RevocationsUnavailable, type TokenRevocations } from "./token-revocations.ts";

type Answer = boolean | "unknown" | "rejects";
const token = { jti: "a", client: "partner", issuedAtSeconds: 1_795_000_000 };

function source(answer: Answer): TokenRevocations & { readonly closed: () => boolean; readonly asked: () => number } {
  let [closed, asked] = [false, 0];
  return {
    isRevoked() {
      asked += 1;
      if (answer === "unknown") throw new RevocationsUnavailable("unknown");
      return answer === "rejects" ? Promise.reject(new RevocationsUnavailable("rejects")) : answer;
    },
    isReady: () => typeof answer === "boolean",
    close: () => {
      closed = true;
    },
    closed: () => closed,
    asked: () => asked,
  };
}

test.each<readonly [list: Answer, quicker: Answer, verdict: boolean | string]>([
  [false, false, false],
  [false, true, true],
  [true, false, true],
  [true, "rejects", true],
  ["unknown", true, true],
  [false, "unknown", false],
  ["rejects", false, false],
  ["unknown", "rejects", "rejects"],
  ["rejects", "unknown", "unknown"],
])("a list that says %s and another that says %s: %s", async (one, other, verdict) => {
  const [list, quicker] = [source(one), source(other)];
  const both = anyRevocations(list, quicker);
  const said = (error: unknown) => (error instanceof Error ? error.message : "no error");
  const answer = await Promise.resolve(both.isRevoked(token)).catch(said);
  expect(answer).toBe(verdict);
  expect(both.isReady()).toBe(typeof verdict === "boolean");
  expect(quicker.asked()).toBe(one === true ? 0 : 1);
  both.close();
  expect([list.closed(), quicker.closed()]).toEqual([true, true]);
});
test("an answer that is none is not taken for a no", async () => {
  const odd = { ...source(false), isRevoked: () => undefined as unknown as boolean };
  expect(await anyRevocations(odd, source(false)).isRevoked(token)).toBeUndefined();
});
