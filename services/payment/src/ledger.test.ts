import fc from "fast-check";
import { expect, test } from "vitest";
import { assertBalanced, captureLines, type LedgerLine, sumByCurrency } from "./ledger.ts";

const currencyCode = fc.constantFrom("EUR", "JPY", "USD");
const amount = fc.record({ currencyCode, minorUnits: fc.bigInt(1n, 2n ** 63n - 1n) });

test("every capture is in balance", () => {
  fc.assert(
    fc.property(fc.array(amount, { minLength: 1 }), (amounts) => {
      const lines = amounts.flatMap(captureLines);
      expect(() => assertBalanced(lines)).not.toThrow();
      expect([...sumByCurrency(lines).values()].every((sum) => sum === 0n)).toBe(true);
    }),
  );
});

test("refuses lines of which one is off by any amount", () => {
  fc.assert(
    fc.property(amount, fc.bigInt(1n, 10n ** 12n), (right, off) => {
      const [debit, credit] = captureLines(right) as [LedgerLine, LedgerLine];
      expect(() => assertBalanced([debit, { ...credit, minorUnits: credit.minorUnits + off }])).toThrow(
        "out of balance",
      );
    }),
  );
});

test("refuses a debit in one currency against a credit in another", () => {
  expect(() =>
    assertBalanced([
      { account: "ACQUIRER", currencyCode: "EUR", minorUnits: 5n },
      { account: "CLIENT", currencyCode: "USD", minorUnits: -5n },
    ]),
  ).toThrow("out of balance");
});

test("refuses an entry without lines", () => {
  expect(() => assertBalanced([])).toThrow("no lines");
});
