import { expect, test } from "vitest";
import { perTenfold, slope } from "./slope.ts";

const sizes = [1, 10, 1_000, 1_000_000];

test("the slope of a line is that of its points, wherever they begin", () => {
  expect(slope([3, 5, 10].map((x) => [x, 100 - 4 * x]))).toBeCloseTo(-4);
});

test("what does not grow has no slope, whatever the sizes are", () => {
  expect(perTenfold(sizes.map((size) => ({ size, value: 7 })))).toBe(0);
});

test("what takes two more with each tenfold has a slope of two, also where the tenfolds are not all there", () => {
  expect(perTenfold(sizes.map((size) => ({ size, value: 5 + 2 * Math.log10(size) })))).toBeCloseTo(2);
});

test("what is looked for in all of them has a slope that no noise hides", () => {
  const slope = perTenfold(sizes.map((size) => ({ size, value: 5 + size / 1_000 })));
  expect(slope).toBeGreaterThan(100);
});

test("one that is off by a little moves the slope by less", () => {
  const slope = perTenfold([
    { size: 10, value: 5 },
    { size: 100, value: 6 },
    { size: 1_000, value: 5 },
  ]);
  expect(slope).toBeCloseTo(0);
});

test("one size has no slope", () => {
  expect(() => perTenfold([{ size: 10, value: 1 }])).toThrow(RangeError);
  expect(() => perTenfold([])).toThrow(RangeError);
});
