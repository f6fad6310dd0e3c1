import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { chart } from "./chart.ts";
import { madeUpCase } from "./made-up-case.ts";
import { lastResult, page, pageWith, shownChart } from "./page.ts";

test("the figures in docs/performance.md are those of the last result; `pnpm bench --write` writes both", () => {
  expect(page()).toBe(pageWith(lastResult()));
});

test("so is the chart", () => {
  expect(shownChart()).toBe(chart(lastResult()));
});

test("every figure was measured", () => {
  const figures = lastResult().cases.flatMap(({ name, callsPerSecond, microseconds, residentBytes }) =>
    Object.entries({ callsPerSecond, microseconds, residentBytes }).map(([of, value]) => ({ name, of, value })),
  );
  expect(figures.filter(({ value }) => !(value > 0))).toEqual([]);
});

test("nothing was measured of a server that refuses nothing that it should", () => {
  const outcomes = lastResult().cases.flatMap(({ control }) => Object.values(control.wrong));
  expect(outcomes.length).toBeGreaterThan(5);
  expect(outcomes.filter((outcome) => outcome === "let in")).toEqual([]);
});

test("a chart has a bar and a figure for each case", () => {
  const drawn = chart({ cases: [madeUpCase("full", { processor: 1.5 }), madeUpCase("naive", { processor: 6 })] });
  expect(drawn.match(/<rect/g)).toHaveLength(2);
  expect(drawn).toContain(">1.50×</text>");
  expect(drawn).toContain(">6.00×</text>");
});

test("files that docs/performance.md links to are there", () => {
  const files = [...page().matchAll(/\]\(([^)#]+)/g)].map(([, file]) => file ?? "");
  expect(files.length).toBeGreaterThan(3);
  expect(files.filter((file) => !existsSync(new URL(`../../docs/${file}`, import.meta.url)))).toEqual([]);
});
