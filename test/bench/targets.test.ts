import { expect, test } from "vitest";
import { cases } from "./cases.ts";
import { madeUpCase } from "./made-up-case.ts";
import { reached, targets } from "./targets.ts";

const of = (found: ReturnType<typeof reached>, of: string, against?: string) =>
  found.find(({ target }) => target.case === "full" && target.of === of && target.against === against);

test("a ratio that is at least what it has to be meets its target, and one below does not", () => {
  const good = reached({ cases: [madeUpCase("full", { throughput: 0.8 })] });
  const bad = reached({ cases: [madeUpCase("full", { throughput: 0.79 })] });
  expect([of(good, "calls a second")?.isMet, of(bad, "calls a second")?.isMet]).toEqual([true, false]);
});

test("time that is at most what it may be meets its target, and more does not", () => {
  const good = reached({ cases: [madeUpCase("full", { addedMicroseconds: 30 })] });
  const bad = reached({ cases: [madeUpCase("full", { addedMicroseconds: 31 })] });
  const name = "processor time added, µs";
  expect([of(good, name)?.isMet, of(bad, name)?.isMet]).toEqual([true, false]);
});

test("against another case it counts how many times as much that one takes", () => {
  const found = reached({ cases: [madeUpCase("full", { processor: 1.5 }), madeUpCase("naive", { processor: 6 })] });
  expect(of(found, "processor time", "naive")).toMatchObject({ value: { median: 4 }, isMet: true });
});

test("what was not measured is neither met nor missed", () => {
  const found = reached({ cases: [madeUpCase("full", {})] });
  expect(of(found, "processor time", "naive")).toMatchObject({ value: undefined, isMet: undefined });
});

test("beside each it says what a server reaches that checks nothing", () => {
  const all = [madeUpCase("unread", { throughput: 0.7, processor: 1.2 }), madeUpCase("naive", { processor: 6 })];
  const found = reached({ cases: all });
  expect(of(found, "calls a second")?.nothingChecked).toMatchObject({ median: 0.7 });
  expect(of(found, "processor time", "naive")?.nothingChecked?.median).toBeCloseTo(5);
  expect(found.find(({ target }) => target.case === "client")?.nothingChecked).toBeUndefined();
});

test("every target is about cases that there are", () => {
  const names = new Set(cases.map(({ name }) => name));
  const named = targets.flatMap(({ case: its, against = its, checksNothing = its }) => [its, against, checksNothing]);
  expect(named.filter((name) => !names.has(name))).toEqual([]);
});
