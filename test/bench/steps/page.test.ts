import { expect, test } from "vitest";
import { lastSteps, page, pageWith } from "./page.ts";
import { steps } from "./steps.ts";

test("the steps in docs/performance.md are those of the last result; `pnpm bench:steps --write` writes both", () => {
  expect(page()).toBe(pageWith(lastSteps()));
});

test("each step that there is was measured", () => {
  expect(lastSteps().steps.map(({ id, what }) => ({ id, what }))).toEqual(steps.map(({ id, what }) => ({ id, what })));
});
