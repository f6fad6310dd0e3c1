import { status } from "@grpc/grpc-js";
import type { Engine } from "@zero-trust/database";
import { type Databases, startDatabases } from "@zero-trust/database/test/databases";
import { detail, RpcError } from "@zero-trust/rpc";
import { RetryInfoSchema } from "@zero-trust/rpc/error-details";
import type { Kysely } from "kysely";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { openOrders, placeOrder } from "../test/open-orders.ts";
import { type Incident, type PaymentDouble, paymentDouble } from "../test/payment-double.ts";
import type { OrderSchema } from "./migrations.ts";
import { Outbox, type OutboxOptions } from "./outbox.ts";
import { OutboxStore } from "./outbox-store.ts";
import { OrderStore } from "./store.ts";

describe.each<Engine>(["sqlite", "postgres"])("on %s", (engine) => {
  let databases: Databases;
  beforeAll(async () => {
    databases = await startDatabases(engine);
  });
  afterAll(() => databases[Symbol.asyncDispose]());

  const cleanUps: (() => unknown)[] = [];
  let db: Kysely<OrderSchema>;
  let store: OutboxStore;
  let settled: string[];
  let logged: { level: string; message: string; fields: Record<string, unknown> }[];

  beforeEach(async () => {
    db = await openOrders(await databases.fresh());
    cleanUps.push(() => db.destroy());
    store = new OutboxStore(db);
    settled = [];
    logged = [];
  });
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
  });

  const record = (level: string) => (fields: object, message: string) =>
    void logged.push({ level, message, fields: { ...fields } });

  async function outboxWith(double: PaymentDouble, options: Partial<OutboxOptions> = {}): Promise<Outbox> {
    const outbox = new Outbox({
      store,
      payments: double.payments,
      log: { info: record("info"), warn: record("warn"), error: record("error") },
      onSettled: (orderId) => settled.push(orderId),
      backOff: { firstMs: 5, maxMs: 20 },
      ...options,
    });
    cleanUps.push(() => outbox.close());
    await outbox.start();
    return outbox;
  }

  const claim = (from: OutboxStore, options: { readonly horizonMs?: number } = {}) =>
    from.claim({ nowMs: Date.now(), horizonMs: Number.MAX_SAFE_INTEGER, leaseMs: 60_000, limit: 1, ...options });

  const settling = (count: number) =>
    vi.waitFor(() => expect(settled).toHaveLength(count), { timeout: 5_000, interval: 5 });

  async function stateOf(orderId: string) {
    return (await new OrderStore(db).find("storefront", orderId))?.state;
  }

  async function minorUnitsOf(orderId: string, minorUnits: bigint) {
    await db.updateTable("orders").set({ minor_units: minorUnits }).where("order_id", "=", orderId).execute();
  }

  test("pays an order that was there before it started, naming the order's client", async () => {
    const orderId = await placeOrder(db);
    const double = paymentDouble();
    await outboxWith(double);
    await settling(1);
    expect(await stateOf(orderId)).toBe("PAID");
    expect(double.calls).toEqual([
      expect.stringMatching(/^create [0-9a-f-]{36} storefront$/u),
      expect.stringMatching(/^capture [0-9a-f-]{36} storefront$/u),
    ]);
    expect((await new OrderStore(db).find("storefront", orderId))?.paymentId).toBe([...double.charged][0]);
  });

  test("pays a new order at once when it is woken", async () => {
    const outbox = await outboxWith(paymentDouble(), { backOff: { firstMs: 60_000, maxMs: 60_000 } });
    const orderId = await placeOrder(db);
    outbox.wake();
    await settling(1);
    expect(await stateOf(orderId)).toBe("PAID");
  });

  test("an order whose payment is declined is DECLINED and charged nothing", async () => {
    const orderId = await placeOrder(db);
    await minorUnitsOf(orderId, 1013n);
    const double = paymentDouble();
    await outboxWith(double);
    await settling(1);
    expect(await stateOf(orderId)).toBe("DECLINED");
    expect(double.charged.size).toBe(0);
  });

  test.each([
    status.UNAVAILABLE,
    status.DEADLINE_EXCEEDED,
    status.UNKNOWN,
    status.INTERNAL,
    status.RESOURCE_EXHAUSTED,
    status.UNAUTHENTICATED,
  ])("goes on after status %i wherever it comes, always with the same request ids", async (code) => {
    const moments: string[] = [];
    const failOnceAtEach: Incident = (moment) => {
      if (moments.includes(moment)) return;
      moments.push(moment);
      throw new RpcError(code, "");
    };
    const double = paymentDouble(failOnceAtEach);
    await placeOrder(db);
    await outboxWith(double);
    await settling(1);
    expect(moments).toEqual(["create", "created", "capture", "captured"]);
    expect(new Set(double.calls).size).toBe(2);
    expect(double.charged.size).toBe(1);
    expect(logged.filter(({ level }) => level === "warn")).toHaveLength(4);
  });

  test.each([
    ["as long as it is told to", 15_000n, 15_000, 15_000],
    ["never longer than after anything else", 3_600_000n, 30_000, 30_000],
    ["its own time, where that is longer", 1n, 50, 100],
  ])("waits %s after it was limited", async (_, toldMs, atLeastMs, atMostMs) => {
    await placeOrder(db);
    const retryDelay = { seconds: toldMs / 1_000n, nanos: Number(toldMs % 1_000n) * 1_000_000 };
    const limited = new RpcError(status.RESOURCE_EXHAUSTED, "", { details: [detail(RetryInfoSchema, { retryDelay })] });
    await outboxWith(
      paymentDouble(() => {
        throw limited;
      }),
      { backOff: { firstMs: 100, maxMs: 30_000 } },
    );
    await vi.waitFor(() => expect(logged.some(({ level }) => level === "warn")).toBe(true), { interval: 5 });
    const { retryMs } = logged.find(({ level }) => level === "warn")?.fields ?? {};
    expect(retryMs).toBeGreaterThanOrEqual(atLeastMs);
    expect(retryMs).toBeLessThanOrEqual(atMostMs);
  });

  test("an order that cannot be paid as things are is not lost: it says so, and tries at its slowest pace", async () => {
    let broken = true;
    await placeOrder(db);
    await outboxWith(
      paymentDouble(() => {
        if (broken) throw new RpcError(status.PERMISSION_DENIED, "");
      }),
    );
    await vi.waitFor(() => expect(logged.some(({ level }) => level === "error")).toBe(true), { interval: 5 });
    const [complaint] = logged.filter(({ level }) => level === "error");
    expect(complaint?.fields).toMatchObject({ code: "PERMISSION_DENIED", attempts: 1 });
    expect(complaint?.fields["retryMs"]).toBeGreaterThanOrEqual(10);
    broken = false;
    await settling(1);
  });

  test("one order that hangs does not hold up the others", async () => {
    const hanging = Promise.withResolvers<void>();
    let first = true;
    const double = paymentDouble(async () => {
      if (!first) return;
      first = false;
      await hanging.promise;
    });
    await placeOrder(db, 1);
    const outbox = await outboxWith(double, { concurrency: 2 });
    await vi.waitFor(() => expect(first).toBe(false));
    for (let number = 2; number <= 6; number++) await placeOrder(db, number);
    outbox.wake();
    await settling(5);
    hanging.resolve();
    await settling(6);
  });

  test("never pays more orders at a time than it may", async () => {
    let running = 0;
    let most = 0;
    const double = paymentDouble(async (moment) => {
      if (moment === "create") most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      if (moment === "captured") running--;
    });
    for (let number = 1; number <= 10; number++) await placeOrder(db, number);
    await outboxWith(double, { concurrency: 3 });
    await settling(10);
    expect(most).toBe(3);
    expect(double.calls).toHaveLength(20);
  });

  test("a closed outbox has finished its step and begins no other", async () => {
    const started = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const double = paymentDouble(async () => {
      started.resolve();
      await release.promise;
    });
    const first = await placeOrder(db, 1);
    const second = await placeOrder(db, 2);
    const outbox = await outboxWith(double, { concurrency: 1 });
    await started.promise;
    const closing = outbox.close().then(() => "closed");
    const soon = new Promise((resolve) => setImmediate(resolve, "still running"));
    expect(await Promise.race([closing, soon])).toBe("still running");
    release.resolve();
    await closing;
    outbox.wake();
    expect(await stateOf(first)).toBe("PAID");
    expect(await stateOf(second)).toBe("PENDING");
    expect(double.calls).toHaveLength(2);
  });

  test("a new process does not serve the waiting times of the one before", async () => {
    await placeOrder(db);
    const [entry] = await claim(store);
    if (entry === undefined) throw new Error("Nothing is due.");
    await store.postpone(entry, Date.now() + 3_600_000);
    await outboxWith(paymentDouble(), { backOff: { firstMs: 60_000, maxMs: 7_200_000 } });
    await settling(1);
    expect(logged.map(({ message }) => message)).toEqual(["order settled"]);
  });

  test("a new process whose first attempt fails waits as after a first attempt, however often the one before had tried", async () => {
    await placeOrder(db);
    const [entry] = await claim(store);
    if (entry === undefined) throw new Error("Nothing is due.");
    await store.postpone({ ...entry, attempts: 20 }, Date.now());
    let failed = false;
    const failOnce: Incident = () => {
      if (failed) return;
      failed = true;
      throw new RpcError(status.UNAVAILABLE, "");
    };
    await outboxWith(paymentDouble(failOnce), { backOff: { firstMs: 1, maxMs: 60_000 } });
    await settling(1);
    expect(logged.map(({ level }) => level)).toEqual(["warn", "info"]);
    expect(logged[0]?.fields).toMatchObject({ attempts: 1, retryMs: 1 });
  });

  test("a clock that was set back delays nothing beyond the longest wait", async () => {
    await placeOrder(db);
    const nowMs = Date.now();
    const [entry] = await claim(store);
    if (entry === undefined) throw new Error("Nothing is due.");
    await store.postpone(entry, nowMs + 3_600_000);
    expect(await claim(store, { horizonMs: nowMs + 7_200_000 })).toEqual([]);
    expect(await claim(store, { horizonMs: nowMs + 30_000 })).toHaveLength(1);
  });
});
