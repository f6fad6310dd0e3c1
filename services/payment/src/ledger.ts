import type { Amount } from "./acquirer.ts";

/** One side of an entry: what the acquirer owes us, and what we owe the client. */
export type LedgerAccount = "ACQUIRER" | "CLIENT";

/** One line of the ledger: a positive amount is a debit, a negative one a credit. */
export interface LedgerLine {
  readonly account: LedgerAccount;
  readonly currencyCode: string;
  readonly minorUnits: bigint;
}

/** The lines that a captured amount is written as: the acquirer owes it to us, we owe it to the client. */
export function captureLines(amount: Amount): readonly LedgerLine[] {
  const { currencyCode, minorUnits } = amount;
  return [
    { account: "ACQUIRER", currencyCode, minorUnits },
    { account: "CLIENT", currencyCode, minorUnits: -minorUnits },
  ];
}

/** Adds lines up, by currency, in minor units. */
export function sumByCurrency(lines: Iterable<LedgerLine>): ReadonlyMap<string, bigint> {
  const sums = new Map<string, bigint>();
  for (const { currencyCode, minorUnits } of lines) sums.set(currencyCode, (sums.get(currencyCode) ?? 0n) + minorUnits);
  return sums;
}

/**
 * Refuses an entry whose debits and credits differ in any currency; the last thing that happens before it is written.
 *
 * @throws Error when the lines do not add up to zero, or there are none.
 */
export function assertBalanced(lines: readonly LedgerLine[]): void {
  const sums = sumByCurrency(lines);
  if (sums.size === 0) throw new Error("A ledger entry has no lines.");
  for (const [currencyCode, sum] of sums)
    if (sum !== 0n) throw new Error(`A ledger entry is out of balance by ${sum} ${currencyCode}.`);
}
