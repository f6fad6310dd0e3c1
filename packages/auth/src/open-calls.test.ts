import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { OpenCalls, type Round } from "./open-calls.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const grants = new Map();

test("judges every call each second with one timer for all, and none when there are none", () => {
  const open = new OpenCalls(Date.now, () => grants);
  const rounds: Round[] = [];
  const calls = [1, 2, 3].map(() => ({ recheck: (round: Round) => void rounds.push(round) }));
  const places = calls.map((call) => open.add(call));
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(2_000);
  expect(rounds).toHaveLength(6);
  expect(rounds.at(-1)).toMatchObject({ nowMs: Date.now(), grants });
  for (const place of places) open.delete(place);
  expect([vi.getTimerCount(), open.size]).toEqual([0, 0]);
});

test("lets others have the processor between slices of ten thousand calls, and finishes before it begins again", () => {
  const open = new OpenCalls(Date.now, () => grants);
  let judged = 0;
  for (let index = 0; index < 10_000; index += 1) {
    open.add({
      recheck: () => {
        judged += 1;
      },
    });
  }
  vi.advanceTimersToNextTimer();
  const first = judged;
  expect(first).toBeGreaterThan(0);
  expect(first).toBeLessThanOrEqual(500);
  vi.advanceTimersByTime(0);
  vi.runAllTicks();
  while (judged < 10_000) vi.advanceTimersByTime(1);
  expect(judged).toBe(10_000);
  vi.advanceTimersByTime(1_100);
  expect(judged).toBeGreaterThan(10_000);
});

test("begins no round while one is not finished", async () => {
  vi.useRealTimers();
  vi.useFakeTimers({ toFake: ["setInterval"] });
  const open = new OpenCalls(Date.now, () => grants);
  let judged = 0;
  for (let index = 0; index < 1_000; index += 1) {
    open.add({
      recheck: () => {
        judged += 1;
      },
    });
  }
  vi.advanceTimersByTime(1_000);
  const first = judged;
  vi.advanceTimersByTime(5_000);
  expect(judged).toBe(first);
  while (judged < 1_000) await new Promise(setImmediate);
  vi.advanceTimersByTime(1_000);
  expect(judged).toBe(1_000 + first);
});

test("does not judge what left while others were judged", () => {
  const open = new OpenCalls(Date.now, () => grants);
  let isJudged = false;
  const late = {
    recheck: () => {
      isJudged = true;
    },
  };
  open.add({ recheck: () => open.delete(place) });
  const place = open.add(late);
  vi.advanceTimersByTime(1_000);
  expect(isJudged).toBe(false);
});

test("a call that ends twice takes no other one away", () => {
  const open = new OpenCalls(Date.now, () => grants);
  const rounds: string[] = [];
  const call = (name: string) => ({ recheck: () => void rounds.push(name) });
  const [first, second] = [call("first"), call("second")];
  const place = open.add(first);
  open.add(second);
  open.delete(place);
  open.delete(place);
  vi.advanceTimersByTime(1_000);
  expect([rounds, open.size]).toEqual([["second"], 1]);
});

test("does not judge by a round what came after it began", () => {
  const open = new OpenCalls(Date.now, () => grants);
  const judged: string[] = [];
  const late = { recheck: () => void judged.push("late") };
  open.add({ recheck: () => open.add(late) });
  // More than are judged in one go.
  for (let index = 1; index < 300; index += 1) open.add({ recheck: () => void judged.push("other") });
  vi.advanceTimersToNextTimer();
  while (judged.length < 299) vi.advanceTimersToNextTimer();
  expect(judged).not.toContain("late");
  vi.advanceTimersByTime(1_000);
  expect(judged).toContain("late");
});

test.each<[string, () => number]>([
  ["gives no number", () => "now" as unknown as number],
  ["gives NaN", () => Number.NaN],
  ["gives Infinity", () => Number.POSITIVE_INFINITY],
  ["gives a time before 1970", () => -1],
  [
    "throws",
    () => {
      throw new Error("broken");
    },
  ],
])("says that there is no time where the clock %s, and no grants where they throw", (_name, now) => {
  const rounds: Round[] = [];
  const open = new OpenCalls(now, () => {
    throw new Error("down");
  });
  open.add({ recheck: (round) => void rounds.push(round) });
  vi.advanceTimersByTime(1_000);
  expect(rounds).toMatchObject([{ nowMs: undefined, grants: undefined }]);
});
