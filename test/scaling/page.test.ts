import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { measured, page, pageWith } from "./page.ts";

test("the figures in docs/scaling.md are those in measured.json; `pnpm test:scaling --write` writes both", () => {
  expect(page()).toBe(pageWith(measured()));
});

test("everything was measured", () => {
  const { memory, microseconds, services, stored } = measured();
  // SQLite is in the services themselves.
  const { onPostgres: _, ...one } = services.one;
  const figures = [memory, microseconds, one, services.fleet, stored].flatMap((each) => Object.entries(each));
  expect(figures.filter(([, value]) => !(value > 0))).toEqual([]);
});

test("files that docs/scaling.md links to are there", () => {
  const files = [...page().matchAll(/\]\(([^)#]+)/g)].map(([, file]) => file ?? "");
  expect(files.length).toBeGreaterThan(3);
  expect(files.filter((file) => !existsSync(new URL(`../../docs/${file}`, import.meta.url)))).toEqual([]);
});
