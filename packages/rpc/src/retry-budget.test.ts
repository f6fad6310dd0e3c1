import { expect, test } from "vitest";
import { RetryBudget } from "./retry-budget.ts";

test("a budget is spent by half of its tokens, and ten answers earn one again", () => {
  const budget = new RetryBudget();
  let spent = 0;
  while (budget.isLeft) {
    budget.spend();
    spent += 1;
  }
  expect(spent).toBe(125);
  for (let answer = 0; answer < 5; answer += 1) budget.earn();
  expect(budget.isLeft).toBe(true);
  budget.spend();
  expect(budget.isLeft).toBe(false);
});
