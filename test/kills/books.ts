import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { contentOf } from "./content.ts";

/** An order as it stands in the order service's file. */
export interface BookedOrder {
  readonly orderId: string;
  readonly client: string;
  readonly requestId: string;
  readonly state: string;
  readonly paymentId: string | null;
  readonly createdAtMs: number;
  readonly content: string;
  readonly amount: string;
}

/** A payment as it stands in the payment service's file. */
export interface BookedPayment {
  readonly paymentId: string;
  readonly client: string;
  /** The order's id. */
  readonly reference: string;
  readonly state: string;
  readonly amount: string;
}

/** A line of the ledger. */
export interface BookedLine {
  readonly paymentId: string;
  readonly account: string;
  readonly currencyCode: string;
  readonly minorUnits: bigint;
}

/** What the acquirer did under one idempotency key, by its own file. */
export interface BookedByAcquirer {
  readonly key: string;
  readonly amount: string;
}

/** What is written down, read from the files and not by way of the services. Amounts are like `500 EUR`. */
export interface Books {
  readonly orders: readonly BookedOrder[];
  /** The orders that are still to be paid. */
  readonly outbox: readonly string[];
  readonly payments: readonly BookedPayment[];
  readonly ledger: readonly BookedLine[];
  readonly authorizations: readonly (BookedByAcquirer & { readonly outcome: string })[];
  readonly charges: readonly BookedByAcquirer[];
  /** Lines of the decision logs that are no JSON. */
  readonly tornDecisions: readonly string[];
}

/** What books are made of, as the databases give it: numbers as bigint. */
export interface BookRows {
  readonly orders: readonly OrderRow[];
  readonly lines: readonly LineRow[];
  readonly outbox: readonly { readonly order_id: string }[];
  readonly payments: readonly PaymentRow[];
  readonly ledger: readonly LedgerRow[];
  readonly authorizations: readonly (KeyRow & { readonly outcome: string })[];
  readonly charges: readonly KeyRow[];
}

/** Where each of them stands, and how it is asked for: the same in SQLite and in PostgreSQL. */
export const bookQueries: Readonly<
  Record<keyof BookRows, { readonly database: "order" | "payment" | "acquirer"; readonly sql: string }>
> = {
  orders: { database: "order", sql: "SELECT * FROM orders ORDER BY position" },
  lines: { database: "order", sql: "SELECT * FROM order_lines ORDER BY order_id, line_number" },
  outbox: { database: "order", sql: "SELECT order_id FROM outbox" },
  payments: { database: "payment", sql: "SELECT * FROM payments" },
  ledger: { database: "payment", sql: "SELECT * FROM transactions ORDER BY position" },
  authorizations: { database: "acquirer", sql: "SELECT * FROM authorizations" },
  charges: { database: "acquirer", sql: "SELECT * FROM charges" },
};

/** Makes books of rows. */
export function booksOf(rows: BookRows, tornDecisions: readonly string[]): Books {
  const lines = Map.groupBy(rows.lines, (line) => line.order_id);
  return {
    orders: rows.orders.map((row) => ({
      orderId: row.order_id,
      client: row.client,
      requestId: row.request_id,
      state: row.state,
      paymentId: row.payment_id,
      createdAtMs: Number(row.created_at_ms),
      amount: amountOf(row),
      content: contentOf({
        client: row.client,
        currencyCode: row.currency_code,
        totalMinorUnits: row.minor_units,
        lines: (lines.get(row.order_id) ?? []).map((line) => ({
          sku: line.sku,
          quantity: Number(line.quantity),
          unitMinorUnits: line.unit_minor_units,
        })),
      }),
    })),
    outbox: rows.outbox.map((row) => row.order_id),
    payments: rows.payments.map((row) => ({
      paymentId: row.payment_id,
      client: row.client,
      reference: row.reference,
      state: row.state,
      amount: amountOf(row),
    })),
    ledger: rows.ledger.map((row) => ({
      paymentId: row.payment_id,
      account: row.account,
      currencyCode: row.currency_code,
      minorUnits: row.minor_units,
    })),
    authorizations: rows.authorizations.map((row) => ({
      key: row.idempotency_key,
      amount: amountOf(row),
      outcome: row.outcome,
    })),
    charges: rows.charges.map((row) => ({ key: row.idempotency_key, amount: amountOf(row) })),
    tornDecisions,
  };
}

/** Reads the files of a deployment. */
export function readBooks(folder: string): Books {
  using order = openBook(join(folder, "order/order.sqlite"));
  using payment = openBook(join(folder, "payment/payment.sqlite"));
  using acquirer = openBook(join(folder, "payment/acquirer.sqlite"));
  const books = { order, payment, acquirer };
  const rows = Object.entries(bookQueries).map(
    ([name, { database, sql }]) => [name, books[database].all(sql)] as const,
  );
  const torn = ["order", "payment"].flatMap((service) => tornLinesIn(join(folder, service, "decisions.jsonl")));
  // One of each, by the queries above.
  return booksOf(Object.fromEntries(rows) as unknown as BookRows, torn);
}

/** How many orders are still to be paid. */
export function countOutbox(folder: string): number {
  using order = openBook(join(folder, "order/order.sqlite"));
  return Number(order.all<{ count: bigint }>("SELECT count(*) AS count FROM outbox")[0]?.count);
}

/** How many charges there are whose payment does not know of them: whoever wrote them was killed before it could write that. */
export function countUnknownCharges(folder: string): number {
  using payment = openBook(join(folder, "payment/payment.sqlite"));
  using acquirer = openBook(join(folder, "payment/acquirer.sqlite"));
  const open = payment.all<{ payment_id: string }>("SELECT payment_id FROM payments WHERE state = 'AUTHORIZED'");
  const counts = open.map(({ payment_id: id }) => acquirer.all(`${CHARGES} WHERE idempotency_key = ?`, id).length);
  return counts.reduce((sum, count) => sum + count, 0);
}

const CHARGES = bookQueries.charges.sql;

interface AmountRow {
  readonly currency_code: string;
  readonly minor_units: bigint;
}
interface OrderRow extends AmountRow {
  readonly order_id: string;
  readonly client: string;
  readonly request_id: string;
  readonly state: string;
  readonly payment_id: string | null;
  readonly created_at_ms: bigint;
}
interface LineRow {
  readonly order_id: string;
  readonly sku: string;
  readonly quantity: bigint;
  readonly unit_minor_units: bigint;
}
interface PaymentRow extends AmountRow {
  readonly payment_id: string;
  readonly client: string;
  readonly reference: string;
  readonly state: string;
}
interface LedgerRow extends AmountRow {
  readonly payment_id: string;
  readonly account: string;
}
interface KeyRow extends AmountRow {
  readonly idempotency_key: string;
}

const amountOf = ({ currency_code: code, minor_units: units }: AmountRow): string => `${units} ${code}`;

/** A database that is only read, whoever else has it open or was killed with it open. */
function openBook(file: string) {
  const database = new DatabaseSync(file, { readOnly: true, readBigInts: true, timeout: 5_000 });
  return {
    all: <Row>(sql: string, ...values: string[]): Row[] => database.prepare(sql).all(...values) as Row[],
    [Symbol.dispose]: () => database.close(),
  };
}

/** The same of a file, where it is there. */
export function tornLinesIn(file: string): string[] {
  return existsSync(file) ? tornLines(readFileSync(file, "utf8")) : [];
}

/** The lines of a decision log that are no JSON. */
function tornLines(log: string): string[] {
  const lines = log.split("\n");
  return lines.filter((line) => line !== "" && !isJson(line));
}

function isJson(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}
