import { expect, test } from "vitest";
import { spreadOf } from "./statistics.ts";

test("a spread is the middle and the quarters, whatever the order of the values", () => {
  expect(spreadOf([5, 1, 4, 2, 3])).toEqual({ median: 3, low: 2, high: 4 });
});

test("between two values a quantile is interpolated", () => {
  expect(spreadOf([1, 2])).toEqual({ median: 1.5, low: 1.25, high: 1.75 });
});

test("one value is all of its spread", () => {
  expect(spreadOf([7])).toEqual({ median: 7, low: 7, high: 7 });
});

test("nothing has no spread", () => {
  expect(() => spreadOf([])).toThrow(RangeError);
});
