import { expect, test } from "vitest";
import { measurePairs, summaryOf, type Window } from "./pairs.ts";

const effort = { pairs: 3, windowMs: 1_000, warmUpCalls: 150, warmUpMs: 60_000, halfLoadMs: 0 };

/** A server that answers so many calls a window, each for so much of its processor. */
const serverOf =
  (name: string, seen: string[], { calls = 100, microseconds = 10, otherBusy = 0, waited = 0 } = {}): Window =>
  (ms) => {
    seen.push(`${name} ${ms}`);
    return Promise.resolve({
      calls,
      ms,
      used: calls * microseconds,
      usedByMainThread: calls * microseconds,
      waited: waited * ms * 1_000,
      usedByOther: otherBusy * ms * 1_000,
    });
  };

test("both are warm before the first pair, and who is first is drawn for each", async () => {
  const seen: string[] = [];
  const drawn = [0, 1, 0];
  const random = () => drawn.shift() ?? 0;
  await measurePairs({ ...effort, random }, { reference: serverOf("bare", seen), measured: serverOf("full", seen) });
  const [bare, full] = ["bare 1000", "full 1000"];
  expect(seen).toEqual(["bare 250", "bare 250", "full 250", "full 250", bare, full, full, bare, bare, full]);
});

test("ratios are of each pair by itself, whichever came first", async () => {
  const drawn = [0, 1, 0];
  const random = () => drawn.shift() ?? 0;
  const reference = serverOf("bare", [], { calls: 200, microseconds: 100 });
  const measured = serverOf("full", [], { calls: 150, microseconds: 130 });
  const summary = summaryOf(await measurePairs({ ...effort, random }, { reference, measured }));
  const all = (median: number) => ({ median, low: median, high: median });
  expect(summary).toMatchObject({ throughput: all(0.75), processor: all(1.3), addedMicroseconds: all(30) });
});

test("a window that the other end was the limit of is counted, and so is one that was disturbed", async () => {
  const reference = serverOf("bare", [], { otherBusy: 0.96 });
  const measured = serverOf("full", [], { waited: 0.2 });
  const summary = summaryOf(await measurePairs({ ...effort, random: () => 0 }, { reference, measured }));
  expect(summary).toMatchObject({ boundWindows: 3, disturbedWindows: 3 });
});
