import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { measured, page, pageWith } from "./page.ts";

test("the figures in docs/growth.md are those in measured.json; `pnpm bench:growth --write` writes both", () => {
  expect(page()).toBe(pageWith(measured()));
});

test("every part was measured that can be without a container engine", () => {
  const { subjects, lookUps, pauses, handshakes, processes, memory } = measured();
  const parts = { subjects, lookUps, pauses, handshakes, processes, memory };
  expect(Object.entries(parts).filter(([, part]) => part === undefined)).toEqual([]);
});

test("files that docs/growth.md links to are there", () => {
  const files = [...page().matchAll(/\]\(([^)#]+)/g)].map(([, file]) => file ?? "");
  expect(files.length).toBeGreaterThan(3);
  expect(files.filter((file) => !existsSync(new URL(`../../../docs/${file}`, import.meta.url)))).toEqual([]);
});
