import { columnTypes } from "@zero-trust/database";
import type { Generated, Kysely } from "kysely";
import type { Migration } from "kysely/migration";
import type { LedgerAccount } from "./ledger.ts";
import type { PaymentState } from "./payment-state.ts";

/** The tables of the payment service as the newest migration leaves them. */
export interface PaymentSchema {
  readonly payments: PaymentTable;
  readonly requests: RequestTable;
  readonly transactions: TransactionTable;
}

/** A payment; `client` is whom it is for, `created_by` who asked for it. */
export interface PaymentTable {
  readonly payment_id: string;
  readonly client: string;
  readonly created_by: string;
  readonly reference: string;
  readonly currency_code: string;
  readonly minor_units: bigint;
  readonly state: PaymentState;
  readonly created_at_ms: bigint;
}

/** A request that changes something, and the answer it got: null until there is one. */
export interface RequestTable {
  readonly created_by: string;
  readonly request_id: string;
  readonly fingerprint: Uint8Array;
  readonly payment_id: string;
  readonly response: Uint8Array | null;
}

/** One ledger line; `position` is the order in which the lines were written. */
export interface TransactionTable {
  readonly position: Generated<bigint>;
  readonly transaction_id: string;
  readonly payment_id: string;
  readonly account: LedgerAccount;
  readonly currency_code: string;
  readonly minor_units: bigint;
  readonly created_at_ms: bigint;
}

/** Every schema change there ever was; what has been released is never edited. */
export const migrations: Readonly<Record<string, Migration>> = {
  "0001_payments": { up: payments },
};

async function payments(db: Kysely<unknown>): Promise<void> {
  const { bytes, position } = columnTypes(db);
  await db.schema
    .createTable("payments")
    .addColumn("payment_id", "text", (column) => column.primaryKey())
    .addColumn("client", "text", (column) => column.notNull())
    .addColumn("created_by", "text", (column) => column.notNull())
    .addColumn("reference", "text", (column) => column.notNull())
    .addColumn("currency_code", "text", (column) => column.notNull())
    .addColumn("minor_units", "bigint", (column) => column.notNull())
    .addColumn("state", "text", (column) => column.notNull())
    .addColumn("created_at_ms", "bigint", (column) => column.notNull())
    .execute();
  await db.schema
    .createTable("requests")
    .addColumn("created_by", "text", (column) => column.notNull())
    .addColumn("request_id", "text", (column) => column.notNull())
    .addColumn("fingerprint", bytes, (column) => column.notNull())
    .addColumn("payment_id", "text", (column) => column.notNull())
    .addColumn("response", bytes)
    .addPrimaryKeyConstraint("requests_by_caller", ["created_by", "request_id"])
    // Deferred: the request is claimed before its payment is written, so that of two equal ones only one goes on.
    .addForeignKeyConstraint("requests_payment", ["payment_id"], "payments", ["payment_id"], (constraint) =>
      constraint.deferrable().initiallyDeferred(),
    )
    .execute();
  await db.schema
    .createTable("transactions")
    .addColumn("position", ...position)
    .addColumn("transaction_id", "text", (column) => column.notNull().unique())
    .addColumn("payment_id", "text", (column) => column.notNull().references("payments.payment_id"))
    .addColumn("account", "text", (column) => column.notNull())
    .addColumn("currency_code", "text", (column) => column.notNull())
    .addColumn("minor_units", "bigint", (column) => column.notNull())
    .addColumn("created_at_ms", "bigint", (column) => column.notNull())
    // A payment is written to the ledger once, whatever goes wrong above.
    .addUniqueConstraint("transactions_once_a_payment", ["payment_id", "account"])
    .execute();
}
