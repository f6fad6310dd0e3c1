import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { measured, page, pageWith } from "./page.ts";

test("the figures in docs/reliability.md are those of the run in measured.json; `pnpm test:kills --write` writes both", () => {
  expect(page()).toBe(pageWith(measured()));
});

test("they are of a full run without a complaint, in which every service was killed", () => {
  const { operations, complaints, kills } = measured();
  expect(Object.values(operations).reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(10_000);
  expect(complaints).toBe(0);
  for (const victim of [kills.order, kills.payment, kills.issuer]) expect(victim.kills).toBeGreaterThan(10);
});

test("files that docs/reliability.md links to are there", () => {
  const files = [...page().matchAll(/\]\(([^)]+)\)/g)].map(([, file]) => file ?? "");
  expect(files.length).toBeGreaterThan(5);
  expect(files.filter((file) => !existsSync(new URL(`../../docs/${file}`, import.meta.url)))).toEqual([]);
});
