import { randomBytes } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { inTurn } from "@zero-trust/database";
import type { Kysely, Selectable, Transaction } from "kysely";
import type { OrderLineTable, OrderSchema, OrderState, OrderTable } from "./migrations.ts";
import type { Money } from "./money.ts";
import { OrderError } from "./order-error.ts";
import { addToOutbox } from "./outbox-store.ts";

/** One article of an order. */
export interface OrderLine {
  readonly sku: string;
  readonly quantity: number;
  readonly unitPrice: Money;
}

/** An order as it is written down. */
export interface Order {
  readonly orderId: string;
  readonly client: string;
  readonly lines: readonly OrderLine[];
  readonly total: Money;
  readonly state: OrderState;
  readonly paymentId: string;
  readonly createdAtMs: number;
}

/** An order that is asked for, the id of the request, and what it asks for in 32 bytes. */
export interface OrderRequest {
  readonly requestId: string;
  readonly fingerprint: Uint8Array;
  readonly lines: readonly OrderLine[];
  readonly total: Money;
}

/**
 * Orders that are written by one statement a table, and without a pause. PostgreSQL is asked once for all of them. SQLite is called
 * synchronously, and awaiting it gives nobody else a turn: without pauses a long import is a process that answers nothing. Ten
 * full orders take some 10 ms.
 */
const ORDERS_PER_TURN = 10;

/** Orders and what is to be done for them, in one database. Nothing is read but for the client that it belongs to. */
export class OrderStore {
  readonly #db: Kysely<OrderSchema>;
  readonly #now: () => number;

  constructor(db: Kysely<OrderSchema>, now: () => number = Date.now) {
    this.#db = db;
    this.#now = now;
  }

  /**
   * Writes orders, each with its work for the outbox, all or none. A request that was made before gets the order of
   * then, as it was placed. Other calls are served meanwhile; those that need the database wait for the commit.
   *
   * @throws OrderError REQUEST_REUSED when the client used a request id for another request.
   */
  async place(client: string, requests: readonly OrderRequest[], traceParent?: string): Promise<readonly Order[]> {
    return await this.#db.transaction().execute(async (trx) => {
      // Whoever has read the client's newest order finds later ones after it, and none before.
      await inTurn(trx, `orders of ${client}`);
      const placed: Order[] = [];
      for (let first = 0; first < requests.length; first += ORDERS_PER_TURN) {
        if (first > 0) await nextTurn();
        const some = requests.slice(first, first + ORDERS_PER_TURN);
        placed.push(...(await this.#placeSome(trx, { client, requests: some, traceParent })));
      }
      return placed;
    });
  }

  /** Reads an order; another client's does not exist. */
  async find(client: string, orderId: string): Promise<Order | undefined> {
    const rows = await this.#db
      .selectFrom("orders")
      .selectAll()
      .where("order_id", "=", orderId)
      .where("client", "=", client)
      .execute();
    return (await withLines(this.#db, rows))[0];
  }

  /** Which of these orders have been settled. */
  async settledOf(orderIds: readonly string[]): Promise<readonly string[]> {
    if (orderIds.length === 0) return [];
    const rows = await this.#db
      .selectFrom("orders")
      .select("order_id")
      .where("order_id", "in", orderIds)
      .where("state", "!=", "PENDING")
      .execute();
    return rows.map((row) => row.order_id);
  }

  /**
   * Reads the client's orders that were placed after a given one of theirs, oldest first.
   *
   * @throws OrderError PAGE_UNKNOWN when they have no such order.
   */
  async ordersAfter(
    client: string,
    options: { readonly after: string; readonly limit: number },
  ): Promise<readonly Order[]> {
    const rows = await this.#db
      .selectFrom("orders")
      .selectAll()
      .where("client", "=", client)
      .where("position", ">", await this.#positionOf(client, options.after))
      .orderBy("position")
      .limit(BigInt(options.limit))
      .execute();
    return await withLines(this.#db, rows);
  }

  async #positionOf(client: string, orderId: string): Promise<bigint> {
    if (orderId === "") return 0n;
    // The caller's words; a text that is no id may be none that the database can read either.
    if (!/^ord_[0-9a-f]{32}$/u.test(orderId)) throw new OrderError("PAGE_UNKNOWN");
    const row = await this.#db
      .selectFrom("orders")
      .select("position")
      .where("order_id", "=", orderId)
      .where("client", "=", client)
      .executeTakeFirst();
    if (row === undefined) throw new OrderError("PAGE_UNKNOWN");
    return row.position;
  }

  async #placeSome(
    trx: Transaction<OrderSchema>,
    asked: {
      readonly client: string;
      readonly requests: readonly OrderRequest[];
      readonly traceParent: string | undefined;
    },
  ): Promise<readonly Order[]> {
    const { client, requests, traceParent } = asked;
    const createdAtMs = this.#now();
    const drafts = requests.map((request) => ({ request, orderId: `ord_${randomBytes(16).toString("hex")}` }));
    const inserted = await trx
      .insertInto("orders")
      .values(
        drafts.map(({ request: { requestId, fingerprint, total }, orderId }) => ({
          order_id: orderId,
          client,
          request_id: requestId,
          fingerprint,
          currency_code: total.currencyCode,
          minor_units: total.minorUnits,
          state: "PENDING" as const,
          payment_id: null,
          created_at_ms: BigInt(createdAtMs),
        })),
      )
      .onConflict((conflict) => conflict.columns(["client", "request_id"]).doNothing())
      .returning("order_id")
      .execute();
    const orderIds = new Set(inserted.map((row) => row.order_id));
    if (orderIds.size > 0) {
      await trx
        .insertInto("order_lines")
        .values(drafts.filter(({ orderId }) => orderIds.has(orderId)).flatMap(lineRows))
        .execute();
      await addToOutbox(trx, [...orderIds], traceParent);
    }
    const before = await placedBefore(
      trx,
      client,
      drafts.flatMap(({ request, orderId }) => (orderIds.has(orderId) ? [] : [request])),
    );
    return drafts.map(({ request, orderId }): Order => {
      const placed = before.get(request);
      if (placed !== undefined) return placed;
      const { lines, total } = request;
      return { orderId, client, lines, total, state: "PENDING", paymentId: "", createdAtMs };
    });
  }
}

function lineRows(draft: { readonly request: OrderRequest; readonly orderId: string }): readonly OrderLineTable[] {
  return draft.request.lines.map((line, index) => ({
    order_id: draft.orderId,
    line_number: BigInt(index),
    sku: line.sku,
    quantity: BigInt(line.quantity),
    unit_minor_units: line.unitPrice.minorUnits,
  }));
}

/** The orders of requests that were made before, of which each has one. */
async function placedBefore(
  trx: Transaction<OrderSchema>,
  client: string,
  requests: readonly OrderRequest[],
): Promise<ReadonlyMap<OrderRequest, Order>> {
  if (requests.length === 0) return new Map();
  const rows = await trx
    .selectFrom("orders")
    .selectAll()
    .where("client", "=", client)
    .where(
      "request_id",
      "in",
      requests.map(({ requestId }) => requestId),
    )
    .execute();
  const orders = await withLines(trx, rows);
  return new Map(
    requests.map((request) => {
      const at = rows.findIndex((row) => row.request_id === request.requestId);
      const [row, order] = [rows[at], orders[at]];
      if (row === undefined || order === undefined) throw new Error("An order has gone.");
      if (!Buffer.from(row.fingerprint).equals(request.fingerprint)) throw new OrderError("REQUEST_REUSED");
      // The answer of then: whoever wants to know how it went on reads or watches the order.
      return [request, { ...order, state: "PENDING", paymentId: "" }];
    }),
  );
}

async function withLines(db: Kysely<OrderSchema>, rows: readonly Selectable<OrderTable>[]): Promise<readonly Order[]> {
  if (rows.length === 0) return [];
  const ids = rows.map((row) => row.order_id);
  const lines = await db
    .selectFrom("order_lines")
    .selectAll()
    .where("order_id", "in", ids)
    .orderBy("line_number")
    .execute();
  const byOrder = Map.groupBy(lines, (line) => line.order_id);
  return rows.map((row) => order(row, byOrder.get(row.order_id) ?? []));
}

function order(row: Selectable<OrderTable>, lines: readonly OrderLineTable[]): Order {
  return {
    orderId: row.order_id,
    client: row.client,
    lines: lines.map((line) => ({
      sku: line.sku,
      quantity: Number(line.quantity),
      unitPrice: { currencyCode: row.currency_code, minorUnits: line.unit_minor_units },
    })),
    total: { currencyCode: row.currency_code, minorUnits: row.minor_units },
    state: row.state,
    paymentId: row.payment_id ?? "",
    createdAtMs: Number(row.created_at_ms),
  };
}
