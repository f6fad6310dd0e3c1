// What the version before the outbox had claims does to the database, word for word: in a rolling upgrade it is still at it
// while the new version has already changed the schema.
import { randomUUID } from "node:crypto";
import type { Generated, Kysely } from "kysely";
import { migrations, type OrderLineTable, type OrderState } from "../src/migrations.ts";

/** The migrations that it knows. */
export const previousMigrations: typeof migrations = {
  "0001_orders": migrations["0001_orders"] ?? { up: async () => undefined },
};

/** The tables as it knows them. */
export interface PreviousSchema {
  readonly orders: {
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
  };
  readonly order_lines: OrderLineTable;
  readonly outbox: {
    readonly order_id: string;
    readonly create_request_id: string;
    readonly capture_request_id: string;
    readonly attempts: bigint;
    readonly next_attempt_at_ms: bigint;
  };
}

/** Places an order of the storefront with this number. */
export async function placeAsBefore(db: Kysely<PreviousSchema>, number: number): Promise<string> {
  const orderId = `ord_${String(number).padStart(32, "0")}`;
  await db.transaction().execute(async (trx) => {
    await trx
      .insertInto("orders")
      .values({
        order_id: orderId,
        client: "storefront",
        request_id: `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`,
        fingerprint: new Uint8Array(32).fill(number),
        currency_code: "EUR",
        minor_units: 2599n,
        state: "PENDING",
        payment_id: null,
        created_at_ms: 1_795_000_000_000n,
      })
      .onConflict((conflict) => conflict.columns(["client", "request_id"]).doNothing())
      .executeTakeFirstOrThrow();
    await trx
      .insertInto("order_lines")
      .values([{ order_id: orderId, line_number: 0n, sku: "BOOK", quantity: 1n, unit_minor_units: 2599n }])
      .execute();
    await trx
      .insertInto("outbox")
      .values({
        order_id: orderId,
        create_request_id: randomUUID(),
        capture_request_id: randomUUID(),
        attempts: 0n,
        next_attempt_at_ms: 0n,
      })
      .execute();
  });
  return orderId;
}

/** What it does with its outbox. */
export interface OutboxAsBefore {
  makeAllDue(db: Kysely<PreviousSchema>): Promise<void>;
  due(
    db: Kysely<PreviousSchema>,
    options: { readonly nowMs: number; readonly horizonMs: number },
  ): Promise<readonly { readonly order_id: string }[]>;
  postpone(db: Kysely<PreviousSchema>, orderId: string, nextAttemptAtMs: number): Promise<void>;
  settle(db: Kysely<PreviousSchema>, orderId: string, paymentId: string): Promise<void>;
}

/** The outbox as it works it. */
export const outboxAsBefore: OutboxAsBefore = {
  async makeAllDue(db) {
    await db.updateTable("outbox").set({ attempts: 0n, next_attempt_at_ms: 0n }).execute();
  },

  async due(db, options) {
    return await db
      .selectFrom("outbox")
      .innerJoin("orders", "orders.order_id", "outbox.order_id")
      .selectAll("outbox")
      .select(["orders.client", "orders.currency_code", "orders.minor_units"])
      .where((where) =>
        where.or([
          where("next_attempt_at_ms", "<=", BigInt(options.nowMs)),
          where("next_attempt_at_ms", ">", BigInt(options.horizonMs)),
        ]),
      )
      .orderBy("orders.position")
      .limit(8n)
      .execute();
  },

  async postpone(db, orderId, nextAttemptAtMs) {
    await db
      .updateTable("outbox")
      .set({ attempts: 1n, next_attempt_at_ms: BigInt(nextAttemptAtMs) })
      .where("order_id", "=", orderId)
      .execute();
  },

  async settle(db, orderId, paymentId) {
    await db.transaction().execute(async (trx) => {
      await trx
        .updateTable("orders")
        .set({ state: "PAID", payment_id: paymentId })
        .where("order_id", "=", orderId)
        .where("state", "=", "PENDING")
        .execute();
      await trx.deleteFrom("outbox").where("order_id", "=", orderId).execute();
    });
  },
};
