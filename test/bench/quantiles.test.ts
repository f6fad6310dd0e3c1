import { expect, test } from "vitest";
import { quantilesOf } from "./quantiles.ts";

test("half, and all but one of a hundred or a thousand, take no longer", () => {
  const values = Array.from({ length: 1_000 }, (_, index) => 1_000 - index);
  expect(quantilesOf(values)).toEqual({ p50: 501, p99: 991, p999: 1_000 });
  expect(quantilesOf([7])).toEqual({ p50: 7, p99: 7, p999: 7 });
});
