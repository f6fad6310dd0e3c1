import { readFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { CallBudget } from "./call-budget.ts";

// With a clock of its own, whatever is waited for for longer hangs.
vi.setConfig({ testTimeout: 5_000 });
beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const never = () => new Promise<never>(() => undefined);
const after = (ms: number) => () => new Promise<string>((resolve) => setTimeout(() => resolve("answer"), ms));
const outcomeOf = (waiting: unknown) =>
  Promise.resolve(waiting).then(
    (answer) => answer,
    (error: unknown) => (error instanceof Error ? error.message : error),
  );

describe("a budget of 100 ms", () => {
  test("gives an answer that comes in time, and needs no timer for one that is there", async () => {
    const budget = new CallBudget(100);
    const at = budget.wait("at once");
    expect(vi.getTimerCount()).toBe(0);
    expect(await at).toBe("at once");
    const waiting = budget.wait(after(99)());
    await vi.advanceTimersByTimeAsync(99);
    expect(await waiting).toBe("answer");
    expect(vi.getTimerCount()).toBe(0);
  });
  test("is one for all that is waited for, one after the other", async () => {
    const budget = new CallBudget(100);
    const first = outcomeOf(budget.wait(after(60)()));
    await vi.advanceTimersByTimeAsync(60);
    expect(await first).toBe("answer");
    const second = outcomeOf(budget.wait(after(60)()));
    await vi.advanceTimersByTimeAsync(40);
    expect(await second).toBe("no answer within the 100 ms that a decision may take");
  });
  test("is spent once for what is waited for at the same time", async () => {
    const budget = new CallBudget(100);
    const both = [outcomeOf(budget.wait(after(60)())), outcomeOf(budget.wait(after(60)()))];
    await vi.advanceTimersByTimeAsync(60);
    expect(await Promise.all(both)).toEqual(["answer", "answer"]);
    const third = outcomeOf(budget.wait(after(39)()));
    await vi.advanceTimersByTimeAsync(39);
    expect(await third).toBe("answer");
  });
  test("keeps time for what comes after", async () => {
    const budget = new CallBudget(100);
    const hanging = outcomeOf(budget.wait(never(), 20));
    await vi.advanceTimersByTimeAsync(80);
    expect(await hanging).toMatch(/no answer/);
    const log = outcomeOf(budget.wait(after(19)()));
    await vi.advanceTimersByTimeAsync(19);
    expect(await log).toBe("answer");
  });
  test("does not count the time in which nothing is waited for", async () => {
    const budget = new CallBudget(100);
    await vi.advanceTimersByTimeAsync(10_000);
    const waiting = outcomeOf(budget.wait(after(99)()));
    await vi.advanceTimersByTimeAsync(99);
    expect(await waiting).toBe("answer");
  });
  test("still hears what answers at once when it is used up", async () => {
    const budget = new CallBudget(100);
    const hanging = outcomeOf(budget.wait(never()));
    await vi.advanceTimersByTimeAsync(100);
    await hanging;
    expect(await budget.wait(Promise.resolve("at once"))).toBe("at once");
    const late = outcomeOf(budget.wait(after(5)()));
    await vi.advanceTimersByTimeAsync(1);
    expect(await late).toMatch(/no answer/);
  });
  test("fails with what an answer rejects with", async () => {
    await expect(new CallBudget(100).wait(Promise.reject(new Error("down")))).rejects.toThrow("down");
  });
});

describe("a process that was held up for longer than a decision may take", () => {
  beforeEach(() => void vi.useRealTimers());
  /** As a commit does that the disk takes long for, or a machine with more to do than processors. */
  const holdUp = (ms: number) => {
    const untilMs = performance.now() + ms;
    while (performance.now() < untilMs);
  };
  const fromDisk = () => readFile(import.meta.filename, "utf8");

  test("hears the answer that has come meanwhile, and has time left", async () => {
    const budget = new CallBudget(50);
    const waiting = outcomeOf(budget.wait(fromDisk()));
    holdUp(80);
    expect(await waiting).toContain("heard");
    expect(await outcomeOf(budget.wait(after(1)()))).toBe("answer");
  });
  test("waits no longer than as long again for one that does not come", async () => {
    const waiting = outcomeOf(new CallBudget(50).wait(never()));
    holdUp(500);
    const sinceMs = performance.now();
    expect(await waiting).toMatch(/no answer within the 50 ms/);
    expect(performance.now() - sinceMs).toBeLessThan(10_000);
  });
});
