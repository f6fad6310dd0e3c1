import { randomUUID } from "node:crypto";
import { engineOf } from "@zero-trust/database";
import type { Kysely, Transaction } from "kysely";
import type { OrderSchema, OrderState, OutboxTable } from "./migrations.ts";
import type { Money } from "./money.ts";

/** A payment that is still to be made. */
export interface OutboxEntry {
  readonly orderId: string;
  readonly client: string;
  readonly total: Money;
  readonly createRequestId: string;
  readonly captureRequestId: string;
  /** How often it was tried since a process last began. */
  readonly attempts: number;
  /** The call that placed the order, as a `traceparent`, where it was traced. */
  readonly traceParent: string | undefined;
}

/**
 * Adds orders to the outbox, inside the transaction that places them.
 *
 * The request ids are drawn here, once: every attempt, of whatever process, is the same request to the payment service.
 */
export async function addToOutbox(
  trx: Transaction<OrderSchema>,
  orderIds: readonly string[],
  traceParent?: string,
): Promise<void> {
  await trx
    .insertInto("outbox")
    .values(
      orderIds.map((orderId) => ({
        order_id: orderId,
        create_request_id: randomUUID(),
        capture_request_id: randomUUID(),
        attempts: 0n,
        next_attempt_at_ms: 0n,
        claimed_by: null,
        trace_parent: traceParent ?? null,
      })),
    )
    .execute();
}

/** What is to be done for orders that have been acknowledged, for one of the processes that do it. */
export class OutboxStore {
  readonly #db: Kysely<OrderSchema>;
  /** Of this process, which a process that comes after it is not. */
  readonly #claimant = randomUUID();

  constructor(db: Kysely<OrderSchema>) {
    this.#db = db;
  }

  /**
   * Makes everything due at once that nobody is at, as if it had never been tried: a new process does not serve the waiting
   * times of the one before it, nor go on with the longest of them when its own first attempt fails.
   */
  async makeAllDue(): Promise<void> {
    await this.#db.transaction().execute(async (trx) => {
      const waiting = trx.selectFrom("outbox").select("order_id");
      // A file has one process: whoever was at something is no more.
      const free =
        engineOf(trx) === "sqlite" ? waiting : waiting.where("claimed_by", "is", null).forUpdate().skipLocked();
      await trx
        .updateTable("outbox")
        .set({ attempts: 0n, next_attempt_at_ms: 0n, claimed_by: null })
        .where("order_id", "in", free)
        .execute();
    });
  }

  /**
   * Takes what is due, oldest order first, for this process alone for as long as `leaseMs`; so is what is said to be due after
   * `horizonMs`: the clock was set back. No transaction stays open: a process that dies frees what it took when the lease is over.
   */
  async claim(options: {
    readonly nowMs: number;
    readonly horizonMs: number;
    readonly leaseMs: number;
    readonly limit: number;
  }): Promise<readonly OutboxEntry[]> {
    return await this.#db.transaction().execute(async (trx) => {
      const due = trx
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
        .limit(BigInt(options.limit));
      // What another process is taking just now is not waited for.
      const rows = await (engineOf(trx) === "sqlite" ? due : due.forUpdate("outbox").skipLocked()).execute();
      if (rows.length === 0) return [];
      await trx
        .updateTable("outbox")
        .set({ claimed_by: this.#claimant, next_attempt_at_ms: BigInt(options.nowMs + options.leaseMs) })
        .where(
          "order_id",
          "in",
          rows.map((row) => row.order_id),
        )
        .execute();
      return rows.map((row) => ({
        orderId: row.order_id,
        client: row.client,
        total: { currencyCode: row.currency_code, minorUnits: row.minor_units },
        createRequestId: row.create_request_id,
        captureRequestId: row.capture_request_id,
        attempts: Number(row.attempts),
        traceParent: row.trace_parent ?? undefined,
      }));
    });
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

  /** Counts the orders that are not settled, and reads when the oldest of them was placed, in milliseconds since 1970. */
  async waiting(): Promise<{ readonly orders: number; readonly oldestAtMs: number | undefined }> {
    const row = await this.#db
      .selectFrom("outbox")
      .innerJoin("orders", "orders.order_id", "outbox.order_id")
      .select((select) => [select.fn.countAll().as("orders"), select.fn.min("orders.created_at_ms").as("oldest")])
      .executeTakeFirstOrThrow();
    const { orders, oldest } = row;
    return { orders: Number(orders), oldestAtMs: oldest === null ? undefined : Number(oldest) };
  }

  /** Counts an attempt that failed, and says when the next one is, whoever makes it; unless somebody has taken it over. */
  async postpone(entry: OutboxEntry, nextAttemptAtMs: number): Promise<void> {
    await this.#giveBack(entry, { attempts: BigInt(entry.attempts + 1), next_attempt_at_ms: BigInt(nextAttemptAtMs) });
  }

  /** Gives back what was taken and not begun. */
  async release(entry: OutboxEntry): Promise<void> {
    await this.#giveBack(entry, { attempts: BigInt(entry.attempts), next_attempt_at_ms: 0n });
  }

  async #giveBack(entry: OutboxEntry, to: Pick<OutboxTable, "attempts" | "next_attempt_at_ms">): Promise<void> {
    await this.#db
      .updateTable("outbox")
      .set({ ...to, claimed_by: null })
      .where("order_id", "=", entry.orderId)
      .where("claimed_by", "=", this.#claimant)
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
