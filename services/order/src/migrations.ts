import { columnTypes } from "@zero-trust/database";
import type { Generated, Kysely } from "kysely";
import type { Migration } from "kysely/migration";

/** Where an order stands. */
export type OrderState = "PENDING" | "PAID" | "DECLINED";

/** The tables of the order service as the newest migration leaves them. */
export interface OrderSchema {
  readonly orders: OrderTable;
  readonly order_lines: OrderLineTable;
  readonly outbox: OutboxTable;
}

/** An order; `position` is the order in which they were placed. */
export interface OrderTable {
  readonly position: Generated<bigint>;
  readonly order_id: string;
  readonly client: string;
  readonly request_id: string;
  readonly fingerprint: Uint8Array;
  readonly currency_code: string;
  readonly minor_units: bigint;
  readonly state: OrderState;
  readonly payment_id: string | null;
  readonly created_at_ms: bigint;
}

/** One article of an order; its currency is the order's. */
export interface OrderLineTable {
  readonly order_id: string;
  readonly line_number: bigint;
  readonly sku: string;
  readonly quantity: bigint;
  readonly unit_minor_units: bigint;
}

/** An order that is still to be paid, with the request ids that its payment is asked for with, however often. */
export interface OutboxTable {
  readonly order_id: string;
  readonly create_request_id: string;
  readonly capture_request_id: string;
  readonly attempts: bigint;
  /** When it is due; while somebody is at it, when another one may take it over. */
  readonly next_attempt_at_ms: bigint;
  /** Which process is at it: null while nobody is. */
  readonly claimed_by: string | null;
  /** The call that placed the order, as a `traceparent`; null where calls are not traced. */
  readonly trace_parent: string | null;
}

/** Every schema change there ever was; what has been released is never edited. */
export const migrations: Readonly<Record<string, Migration>> = {
  "0001_orders": { up: orders },
  "0002_outbox_claims": { up: outboxClaims },
  "0003_outbox_traces": { up: outboxTraces },
};

async function orders(db: Kysely<unknown>): Promise<void> {
  const { bytes, position } = columnTypes(db);
  await db.schema
    .createTable("orders")
    .addColumn("position", ...position)
    .addColumn("order_id", "text", (column) => column.notNull().unique())
    .addColumn("client", "text", (column) => column.notNull())
    .addColumn("request_id", "text", (column) => column.notNull())
    .addColumn("fingerprint", bytes, (column) => column.notNull())
    .addColumn("currency_code", "text", (column) => column.notNull())
    .addColumn("minor_units", "bigint", (column) => column.notNull())
    .addColumn("state", "text", (column) => column.notNull())
    .addColumn("payment_id", "text")
    .addColumn("created_at_ms", "bigint", (column) => column.notNull())
    .addUniqueConstraint("orders_by_request", ["client", "request_id"])
    .execute();
  await db.schema.createIndex("orders_by_client").on("orders").columns(["client", "position"]).execute();
  await db.schema
    .createTable("order_lines")
    .addColumn("order_id", "text", (column) => column.notNull().references("orders.order_id"))
    .addColumn("line_number", "bigint", (column) => column.notNull())
    .addColumn("sku", "text", (column) => column.notNull())
    .addColumn("quantity", "bigint", (column) => column.notNull())
    .addColumn("unit_minor_units", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("order_lines_by_order", ["order_id", "line_number"])
    .execute();
  await db.schema
    .createTable("outbox")
    .addColumn("order_id", "text", (column) => column.primaryKey().references("orders.order_id"))
    .addColumn("create_request_id", "text", (column) => column.notNull().unique())
    .addColumn("capture_request_id", "text", (column) => column.notNull().unique())
    .addColumn("attempts", "bigint", (column) => column.notNull())
    .addColumn("next_attempt_at_ms", "bigint", (column) => column.notNull())
    .execute();
  await db.schema.createIndex("outbox_by_time").on("outbox").column("next_attempt_at_ms").execute();
}

// A version that does not know the column leaves it null, and what is claimed is not due to it either.
async function outboxClaims(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable("outbox").addColumn("claimed_by", "text").execute();
}

// A version that does not know the column leaves it null: its orders are paid without a trace.
async function outboxTraces(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable("outbox").addColumn("trace_parent", "text").execute();
}
