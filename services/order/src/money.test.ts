import fc from "fast-check";
import { expect, test } from "vitest";
import { maxTotalMinorUnits, type PricedLine, totalOf } from "./money.ts";
import type { OrderError } from "./order-error.ts";

const line = (currencyCode: string, minorUnits: fc.Arbitrary<bigint>): fc.Arbitrary<PricedLine> =>
  fc.record({
    quantity: fc.integer({ min: 1, max: 1000 }),
    unitPrice: fc.record({ currencyCode: fc.constant(currencyCode), minorUnits }),
  });

const lines = (one: fc.Arbitrary<PricedLine>) =>
  fc.array(one, { minLength: 1, maxLength: 100 }) as fc.Arbitrary<[PricedLine, ...PricedLine[]]>;

function totalOrFailure(order: readonly [PricedLine, ...PricedLine[]]): unknown {
  try {
    return totalOf(order).minorUnits;
  } catch (error) {
    return (error as OrderError).failure;
  }
}

test("the total is what one gets by adding each article by itself", () => {
  fc.assert(
    fc.property(lines(line("EUR", fc.bigInt(1n, 10_000n))), (order) => {
      let total = 0n;
      for (const { quantity, unitPrice } of order)
        for (let count = 0; count < quantity; count++) total += unitPrice.minorUnits;
      expect(totalOf(order)).toEqual({ currencyCode: "EUR", minorUnits: total });
    }),
  );
});

test("the order of the lines does not matter", () => {
  fc.assert(
    fc.property(lines(line("EUR", fc.bigInt(1n, 10_000n))), (order) => {
      expect(totalOf(order.toReversed() as [PricedLine, ...PricedLine[]])).toEqual(totalOf(order));
    }),
  );
});

test("refuses a total above the limit, and takes every other exactly", () => {
  fc.assert(
    fc.property(lines(line("EUR", fc.bigInt(1n, 1_000_000_000n))), (order) => {
      const sum = order.reduce((total, { quantity, unitPrice }) => total + BigInt(quantity) * unitPrice.minorUnits, 0n);
      const expected = sum > maxTotalMinorUnits ? "TOTAL_TOO_LARGE" : sum;
      expect(totalOrFailure(order)).toBe(expected);
    }),
  );
});

test("the limit itself is let in, one more is not", () => {
  const one = (minorUnits: bigint): PricedLine => ({ quantity: 1, unitPrice: { currencyCode: "EUR", minorUnits } });
  expect(totalOf([one(maxTotalMinorUnits)]).minorUnits).toBe(maxTotalMinorUnits);
  expect(() => totalOf([one(maxTotalMinorUnits), one(1n)])).toThrow("TOTAL_TOO_LARGE");
});

test("refuses lines in several currencies, wherever the other one stands", () => {
  fc.assert(
    fc.property(lines(line("EUR", fc.constant(1n))), line("JPY", fc.constant(1n)), fc.nat(), (order, other, at) => {
      const mixed = order.toSpliced(at % (order.length + 1), 0, other) as [PricedLine, ...PricedLine[]];
      expect(() => totalOf(mixed)).toThrow("MIXED_CURRENCIES");
    }),
  );
});
