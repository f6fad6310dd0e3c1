import { randomUUID } from "node:crypto";
import type { Kysely, Transaction } from "kysely";
import type { OrderSchema, OrderState } from "./migrations.ts";
import type { Money } from "./money.ts";

/** A payment that is still to be made. */
export interface OutboxEntry {
  readonly orderId: string;
  readonly client: string;
  readonly total: Money;
  readonly createRequestId: string;
  readonly captureRequestId: string;
  /** How often this process has tried it. */
  readonly attempts: number;
}

/**
 * Adds an order to the outbox, inside the transaction that places it.
 *
 * The request ids are drawn here, once: every attempt, of whatever process, is the same request to the payment service.
 */
export async function addToOutbox(trx: Transaction<OrderSchema>, orderId: string): Promise<void> {
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
}

/** What is to be done for orders that have been acknowledged. */
export class OutboxStore {
  readonly #db: Kysely<OrderSchema>;

  constructor(db: Kysely<OrderSchema>) {
    this.#db = db;
  }

  /**
   * Makes everything due at once, as if it had never been tried: a new process does not serve the waiting times of the one
   * before it, nor go on with the longest of them when its own first attempt fails.
   */
  async makeAllDue(): Promise<void> {
    await this.#db.updateTable("outbox").set({ attempts: 0n, next_attempt_at_ms: 0n }).execute();
  }

  /** Reads what is due, oldest order first; so is what is said to be due after `horizonMs`: the clock was set back. */
  async due(options: {
    readonly nowMs: number;
    readonly horizonMs: number;
    readonly limit: number;
  }): Promise<readonly OutboxEntry[]> {
    const rows = await this.#db
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
      .limit(BigInt(options.limit))
      .execute();
    return rows.map((row) => ({
      orderId: row.order_id,
      client: row.client,
      total: { currencyCode: row.currency_code, minorUnits: row.minor_units },
      createRequestId: row.create_request_id,
      captureRequestId: row.capture_request_id,
      attempts: Number(row.attempts),
    }));
  }

  /** Reads when the next entry that is not due yet will be, in milliseconds since 1970. */
  async nextDueMs(nowMs: number): Promise<number | undefined> {
    const row = await this.#db
      .selectFrom("outbox")
      .select((select) => select.fn.min("next_attempt_at_ms").as("next"))
      .where("next_attempt_at_ms", ">", BigInt(nowMs))
      .executeTakeFirst();
    return row?.next === undefined || row.next === null ? undefined : Number(row.next);
  }

  /** Counts an attempt that failed, and says when the next one is. */
  async postpone(entry: OutboxEntry, nextAttemptAtMs: number): Promise<void> {
    await this.#db
      .updateTable("outbox")
      .set({ attempts: BigInt(entry.attempts + 1), next_attempt_at_ms: BigInt(nextAttemptAtMs) })
      .where("order_id", "=", entry.orderId)
      .execute();
  }

  /** Writes how the payment ended; only then is there nothing left to do for the order. */
  async settle(
    orderId: string,
    outcome: { readonly state: Exclude<OrderState, "PENDING">; readonly paymentId: string },
  ): Promise<void> {
    await this.#db.transaction().execute(async (trx) => {
      await trx
        .updateTable("orders")
        .set({ state: outcome.state, payment_id: outcome.paymentId })
        .where("order_id", "=", orderId)
        .where("state", "=", "PENDING")
        .execute();
      await trx.deleteFrom("outbox").where("order_id", "=", orderId).execute();
    });
  }
}
