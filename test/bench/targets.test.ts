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

test("every target is about a case that there is", () => {
  const names = new Set(cases.map(({ name }) => name));
  expect(targets.filter((target) => !names.has(target.case))).toEqual([]);
});
