import { expect, test } from "vitest";
import { base, firstLimit, limitsOfFleet, limitsOfOne, reachedAt, replicasFor, times } from "./model.ts";
import { measured } from "./page.ts";

const constants = measured();

test("ten times the load needs ten times as much, of everything that there is a limit to", () => {
  for (const { need } of limitsOfOne(constants)) {
    expect(need(times(10)) / need(base)).toBeCloseTo(10);
  }
});

test("a limit holds just below the multiple at which it is reached, and not above it; no other is reached before the first", () => {
  for (const limits of [limitsOfOne(constants), limitsOfFleet(constants)]) {
    const first = firstLimit(limits);
    for (const each of limits) {
      const factor = reachedAt(each);
      expect(each.need(times(factor))).toBeGreaterThan(each.limit);
      expect(each.need(times(factor * 0.998))).toBeLessThanOrEqual(each.limit);
      expect(factor).toBeGreaterThanOrEqual(first.factor);
    }
    expect(limits).toContain(first.limit);
  }
});

test("there are never fewer than two replicas, and enough that each is busy by half at most", () => {
  expect(replicasFor({ clients: 1, reads: 0, orders: 0, apiKeys: 1 }, constants)).toEqual({ order: 2, payment: 2 });
  const load = times(1_000);
  const { payment } = replicasFor(load, constants);
  const busy = (load.orders * constants.services.fleet.onPayment) / 1e6 / payment;
  expect(busy).toBeLessThanOrEqual(0.5);
  expect(busy).toBeGreaterThan(0.49);
});
