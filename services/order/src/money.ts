import { OrderError } from "./order-error.ts";

/** An amount of money in the minor unit of its currency. */
export interface Money {
  /** ISO 4217 code. */
  readonly currencyCode: string;
  /** Minor units (cents for EUR). */
  readonly minorUnits: bigint;
}

/** An article of an order, what one costs, and how many. */
export interface PricedLine {
  readonly quantity: number;
  readonly unitPrice: Money;
}

/** The largest total of an order in minor units: what order.v1.Money may hold. */
export const maxTotalMinorUnits = 1_000_000_000n;

/**
 * Adds up the lines of an order, without a rounding or an overflow.
 *
 * @throws OrderError MIXED_CURRENCIES, or TOTAL_TOO_LARGE above `maxTotalMinorUnits`
 */
export function totalOf(lines: readonly [PricedLine, ...PricedLine[]]): Money {
  const { currencyCode } = lines[0].unitPrice;
  let minorUnits = 0n;
  for (const { quantity, unitPrice } of lines) {
    if (unitPrice.currencyCode !== currencyCode) throw new OrderError("MIXED_CURRENCIES");
    minorUnits += BigInt(quantity) * unitPrice.minorUnits;
  }
  if (minorUnits > maxTotalMinorUnits) throw new OrderError("TOTAL_TOO_LARGE");
  return { currencyCode, minorUnits };
}
