import { DatabaseSync } from "node:sqlite";
import type { EffectFiles } from "./protocol.ts";

/** What has happened, by the services' own files. */
export interface Effects {
  readonly orders: number;
  /** Orders that are not paid yet, nor declined. */
  readonly pending: number;
  readonly payments: number;
  /** Lines of the double-entry ledger. */
  readonly ledgerLines: number;
  /** The sum of all of them, in minor units. */
  readonly ledgerSum: number;
  /** What the acquirer has charged. */
  readonly charges: number;
}

/** Counts what has happened: the same before and after means that nothing has. */
export function countEffects({ order, payment, acquirer }: EffectFiles): Effects {
  const [orders = 0, pending = 0] = numbers(
    order,
    "SELECT count(*), count(*) FILTER (WHERE state = 'PENDING') FROM orders",
  );
  const [payments = 0] = numbers(payment, "SELECT count(*) FROM payments");
  const [ledgerLines = 0, ledgerSum = 0] = numbers(
    payment,
    "SELECT count(*), coalesce(sum(minor_units), 0) FROM transactions",
  );
  const [charges = 0] = numbers(acquirer, "SELECT count(*) FROM charges");
  return { orders, pending, payments, ledgerLines, ledgerSum, charges };
}

function numbers(file: string, query: string): readonly number[] {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    return Object.values(database.prepare(query).get() ?? {}).map(Number);
  } finally {
    database.close();
  }
}
