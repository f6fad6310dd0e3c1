import { expect, test } from "vitest";
import { ordersPart } from "./page.ts";

test("the orders in docs/performance.md are those of the last result; `pnpm bench:orders --write` writes both", () => {
  expect(ordersPart.page()).toBe(ordersPart.pageWith(ordersPart.last()));
});

test("every figure of them was measured", () => {
  const { levels, shares } = ordersPart.last();
  const figures = levels.flatMap(({ answeredMs, paidMs, ...rest }) => [
    ...Object.values<number>({ ...answeredMs }),
    ...Object.values<number>({ ...paidMs }),
    ...Object.values<number>(rest),
  ]);
  expect(figures.filter((figure) => !(figure > 0))).toEqual([]);
  for (const of of Object.values(shares)) {
    expect(of.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 1);
  }
});
