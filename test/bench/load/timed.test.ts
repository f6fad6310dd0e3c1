import { expect, test } from "vitest";
import type { CalledTarget } from "./called-target.ts";
import { timed } from "./timed.ts";

/** Calls that are answered at once, but for a server that answers none of the first ones before the last of these has come. */
function stalledFor(calls: number, wrong?: string) {
  const held: (() => void)[] = [];
  const call: CalledTarget["call"] = (lane, done) => {
    if (lane < calls) held.push(() => done(wrong));
    else done(undefined);
    if (held.length === calls) for (const answer of held) answer();
  };
  return { call };
}

const timing = { ms: 100, perSecond: 1_000, seed: 1 };

test("calls come when they are due, whatever became of those before them", async () => {
  const { calls } = await timed(stalledFor(50), timing);
  expect(calls).toBeGreaterThan(70);
  expect(calls).toBeLessThan(130);
});

test("a stall is in the latencies of all that were due in it", async () => {
  const { p50, p99 } = await timed(stalledFor(50), timing);
  // The first of fifty waits for some 50 ms, the last one not at all.
  expect(p99).toBeGreaterThan(20);
  expect(p50).toBeLessThan(p99);
});

test("the same seed has the calls come at the same times", async () => {
  const [one, same, other] = await Promise.all([1, 1, 2].map((seed) => timed(stalledFor(1), { ...timing, seed })));
  expect(one?.calls).toBe(same?.calls);
  expect(one?.calls).not.toBe(other?.calls);
});

test("a call that fails fails them all", async () => {
  await expect(timed(stalledFor(3, "status 14"), timing)).rejects.toThrow("A call failed: status 14");
});
