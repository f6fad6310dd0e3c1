import { type DatabaseLocation, type Engine, openDatabase } from "@zero-trust/database";
import { type Databases, startDatabases } from "@zero-trust/database/test/databases";
import type { Kysely } from "kysely";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { OrderSchema } from "../src/migrations.ts";
import { Outbox } from "../src/outbox.ts";
import { OutboxStore } from "../src/outbox-store.ts";
import { OrderStore } from "../src/store.ts";
import { openOrders, placeOrder } from "./open-orders.ts";
import { paymentDouble } from "./payment-double.ts";
import { outboxAsBefore, type PreviousSchema, placeAsBefore, previousMigrations } from "./previous-version.ts";

describe.each<Engine>(["sqlite", "postgres"])("on %s", (engine) => {
  let databases: Databases;
  beforeAll(async () => {
    databases = await startDatabases(engine);
  });
  afterAll(() => databases[Symbol.asyncDispose]());

  let location: DatabaseLocation;
  const opened: { destroy(): Promise<void> }[] = [];
  beforeEach(async () => {
    location = await databases.fresh();
  });
  afterEach(async () => {
    for (const db of opened.splice(0)) await db.destroy();
  });

  async function openBefore(): Promise<Kysely<PreviousSchema>> {
    const db = await openDatabase<PreviousSchema>({ ...location, migrations: previousMigrations });
    opened.push(db);
    return db;
  }

  async function openNow(): Promise<Kysely<OrderSchema>> {
    const db = await openOrders(location);
    opened.push(db);
    return db;
  }

  const everything = async (db: Kysely<PreviousSchema>) => ({
    orders: await db.selectFrom("orders").selectAll().orderBy("position").execute(),
    lines: await db.selectFrom("order_lines").selectAll().orderBy("order_id").execute(),
    outbox: await db
      .selectFrom("outbox")
      .select(["order_id", "create_request_id", "capture_request_id", "attempts", "next_attempt_at_ms"])
      .orderBy("order_id")
      .execute(),
  });

  test("a database of the previous version is brought forward with all that is in it, and what was left to do is done", async () => {
    const before = await openBefore();
    const orders = [await placeAsBefore(before, 1), await placeAsBefore(before, 2), await placeAsBefore(before, 3)];
    const [paid = "", waiting = "", due = ""] = orders;
    await outboxAsBefore.settle(before, paid, "pay_1");
    await outboxAsBefore.postpone(before, waiting, Date.now() + 3_600_000);
    const was = await everything(before);
    expect(was.outbox).toHaveLength(2);
    await before.destroy();

    const db = await openNow();
    expect(await everything(db as Kysely<unknown> as Kysely<PreviousSchema>)).toEqual(was);
    const store = new OrderStore(db);
    expect((await store.ordersAfter("storefront", { after: "", limit: 10 })).map((order) => order.state)).toEqual([
      "PAID",
      "PENDING",
      "PENDING",
    ]);
    const { payments, calls } = paymentDouble();
    const settled: string[] = [];
    const outbox = new Outbox({
      store: new OutboxStore(db),
      payments,
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      onSettled: (orderId) => settled.push(orderId),
    });
    await outbox.start();
    await vi.waitFor(() => expect(settled.toSorted()).toEqual([waiting, due].toSorted()));
    await outbox.close();
    // The requests that the previous version would have made, or has made.
    expect(calls.toSorted()).toEqual(
      was.outbox
        .flatMap((entry) => [
          `create ${entry.create_request_id} storefront`,
          `capture ${entry.capture_request_id} storefront`,
        ])
        .toSorted(),
    );
  });

  test("the previous version goes on beside the new one: each pays what the other has placed, and neither what the other is at", async () => {
    const before = await openBefore();
    const placedBefore = await placeAsBefore(before, 1);
    const now = await openNow();
    const outbox = new OutboxStore(now);
    const nowMs = Date.now();
    const times = { nowMs, horizonMs: nowMs + 30_000 };
    const claim = () => outbox.claim({ ...times, leaseMs: 20_000, limit: 8 });
    const dueBefore = async () => (await outboxAsBefore.due(before, times)).map((entry) => entry.order_id);

    const placedNow = await placeOrder(now, 2);
    expect(await dueBefore()).toEqual([placedBefore, placedNow]);
    expect((await claim()).map((entry) => entry.orderId)).toEqual([placedBefore, placedNow]);
    expect(await dueBefore()).toEqual([]);

    // What comes of it is the same whoever says it.
    await outbox.settle(placedBefore, { state: "PAID", paymentId: "pay_1" });
    await outboxAsBefore.settle(before, placedBefore, "pay_1");
    await outboxAsBefore.settle(before, placedNow, "pay_2");
    await outbox.settle(placedNow, { state: "PAID", paymentId: "pay_2" });
    const placedMeanwhile = await placeAsBefore(before, 3);
    await outboxAsBefore.postpone(before, placedMeanwhile, nowMs + 10_000);
    expect(await claim()).toEqual([]);
    await outboxAsBefore.makeAllDue(before);
    expect((await claim()).map((entry) => entry.orderId)).toEqual([placedMeanwhile]);

    const orders = await new OrderStore(now).ordersAfter("storefront", { after: "", limit: 10 });
    expect(orders.map((order) => [order.orderId, order.state, order.paymentId])).toEqual([
      [placedBefore, "PAID", "pay_1"],
      [placedNow, "PAID", "pay_2"],
      [placedMeanwhile, "PENDING", ""],
    ]);
  });

  test("the previous version does not start any more on what the new one has changed, and says why", async () => {
    await openNow();
    await expect(openBefore()).rejects.toThrow(`has the schema "0002_outbox_claims", which this version does not know`);
  });
});
