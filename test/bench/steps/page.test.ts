import { expect, test } from "vitest";
import { stepsPart } from "./page.ts";
import { steps } from "./steps.ts";

test("the steps in docs/performance.md are those of the last result; `pnpm bench:steps --write` writes both", () => {
  expect(stepsPart.page()).toBe(stepsPart.pageWith(stepsPart.last()));
});

test("each step that there is was measured", () => {
  expect(stepsPart.last().steps.map(({ id, what }) => ({ id, what }))).toEqual(
    steps.map(({ id, what }) => ({ id, what })),
  );
});
