// Several outboxes on one database, as several replicas of the service have: in PostgreSQL, since a file has one process.
import type { DatabaseLocation } from "@zero-trust/database";
import { type Databases, startDatabases } from "@zero-trust/database/test/databases";
import type { Kysely } from "kysely";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { openOrders, placeOrder } from "../test/open-orders.ts";
import { type PaymentDouble, paymentDouble } from "../test/payment-double.ts";
import type { OrderSchema } from "./migrations.ts";
import { OrderChanges } from "./order-changes.ts";
import { Outbox, type OutboxOptions } from "./outbox.ts";
import { OutboxStore } from "./outbox-store.ts";
import { SettledElsewhere } from "./settled-elsewhere.ts";
import { OrderStore } from "./store.ts";

let databases: Databases;
beforeAll(async () => {
  databases = await startDatabases("postgres");
});
afterAll(() => databases[Symbol.asyncDispose]());

let location: DatabaseLocation;
let db: Kysely<OrderSchema>;
const cleanUps: (() => unknown)[] = [];
const hanging: { answer(): void }[] = [];
beforeEach(async () => {
  location = await databases.fresh();
  db = await connected();
});
afterEach(async () => {
  for (const double of hanging.splice(0)) double.answer();
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** A replica's own connections. */
async function connected(): Promise<Kysely<OrderSchema>> {
  const own = await openOrders(location);
  cleanUps.push(() => own.destroy());
  return own;
}

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

interface Replica {
  readonly outbox: Outbox;
  readonly settled: string[];
}

async function replica(double: PaymentDouble, options: Partial<OutboxOptions> = {}): Promise<Replica> {
  const settled: string[] = [];
  const outbox = new Outbox({
    store: new OutboxStore(await connected()),
    payments: double.payments,
    log: silent,
    onSettled: (orderId) => settled.push(orderId),
    backOff: { firstMs: 5, maxMs: 20 },
    pollMs: 20,
    ...options,
  });
  cleanUps.push(() => outbox.close());
  return { outbox, settled };
}

/** A payment service that never answers, and what it was asked. */
function hangingDouble() {
  const answering = Promise.withResolvers<void>();
  const double = { ...paymentDouble(() => answering.promise), answer: () => answering.resolve() };
  hanging.push(double);
  return double;
}

const stateOf = async (orderId: string) => (await new OrderStore(db).find("storefront", orderId))?.state;

const count = async (table: "orders" | "outbox") => (await db.selectFrom(table).select("order_id").execute()).length;

async function place(orders: number): Promise<readonly string[]> {
  const placed: string[] = [];
  for (let number = 1; number <= orders; number += 1) placed.push(await placeOrder(db, number));
  return placed;
}

test("replicas share the work, and each order is paid once, by one of them", async () => {
  const orders = await place(60);
  // Nobody answers before everybody has begun, so that none of them can do it alone.
  const allAtWork = Promise.withResolvers<void>();
  const atWork = new Set<number>();
  const doubles = [0, 1, 2].map((number) =>
    paymentDouble(async () => {
      atWork.add(number);
      if (atWork.size === 3) allAtWork.resolve();
      await allAtWork.promise;
    }),
  );
  const replicas = await Promise.all(doubles.map((double) => replica(double, { leaseMs: 60_000, concurrency: 8 })));
  await Promise.all(replicas.map(({ outbox }) => outbox.start()));
  await vi.waitFor(async () => expect(await count("outbox")).toBe(0), { timeout: 30_000, interval: 50 });
  await Promise.all(replicas.map(({ outbox }) => outbox.close()));

  const settled = replicas.flatMap((each) => each.settled);
  expect(settled.toSorted()).toEqual(orders.toSorted());
  const calls = doubles.flatMap((double) => double.calls);
  expect(calls).toHaveLength(120);
  expect(new Set(calls).size).toBe(120);
  for (const each of replicas) expect(each.settled.length).toBeGreaterThan(0);
});

test("of claims at the same moment no two get the same order, and none waits for another", async () => {
  await place(40);
  const stores = await Promise.all(Array.from({ length: 4 }, async () => new OutboxStore(await connected())));
  const nowMs = Date.now();
  const claims = { nowMs, horizonMs: nowMs + 60_000, leaseMs: 30_000, limit: 10 };
  const taken = (await Promise.all(stores.map((store) => store.claim(claims)))).flat().map((entry) => entry.orderId);
  expect(new Set(taken).size).toBe(taken.length);
  expect(taken.length).toBeGreaterThanOrEqual(10);
  // What is being claimed in a transaction that is not over is passed by.
  await db.transaction().execute(async (transaction) => {
    const locked = await transaction.selectFrom("outbox").select("order_id").forUpdate().execute();
    expect(locked).toHaveLength(40);
    expect(await stores[0]?.claim({ ...claims, nowMs: nowMs + 30_000 })).toEqual([]);
  });
});

test("what a dead replica was at is taken over when its lease is over, with the same requests", async () => {
  const orders = await place(3);
  const dead = hangingDouble();
  const first = await replica(dead, { leaseMs: 500 });
  await first.outbox.start();
  await vi.waitFor(() => expect(dead.calls).toHaveLength(3));

  const double = paymentDouble();
  const second = await replica(double);
  await second.outbox.start();
  await vi.waitFor(() => expect(second.settled.toSorted()).toEqual(orders.toSorted()), { timeout: 10_000 });
  expect(dead.calls.filter((call) => !double.calls.includes(call))).toEqual([]);

  // It was only slow: what it says now changes nothing.
  dead.answer();
  await first.outbox.close();
  expect(await Promise.all(orders.map(stateOf))).toEqual(["PAID", "PAID", "PAID"]);
  expect(dead.charged).toEqual(double.charged);
});

test("a replica that starts leaves alone what others are at, and begins with what nobody is at", async () => {
  await place(1);
  const busy = hangingDouble();
  const first = await replica(busy, { leaseMs: 60_000, concurrency: 1 });
  await first.outbox.start();
  await vi.waitFor(() => expect(busy.calls).toHaveLength(1));

  const waiting = await placeOrder(db, 2);
  await db
    .updateTable("outbox")
    .set({ next_attempt_at_ms: BigInt(Date.now() + 15_000) })
    .where("order_id", "=", waiting)
    .execute();
  const claimOfFirst = () =>
    db
      .selectFrom("outbox")
      .select(["claimed_by", "next_attempt_at_ms"])
      .where("order_id", "!=", waiting)
      .executeTakeFirstOrThrow();
  const before = await claimOfFirst();
  const second = await replica(paymentDouble(), { leaseMs: 60_000 });
  await second.outbox.start();
  expect(await claimOfFirst()).toEqual(before);
  await vi.waitFor(() => expect(second.settled).toEqual([waiting]));
  expect(await count("outbox")).toBe(1);
  busy.answer();
  await vi.waitFor(() => expect(first.settled).toHaveLength(1));
  expect(busy.calls).toHaveLength(2);
});

test("a replica that has lost its lease cannot put off what another one is at", async () => {
  await place(1);
  const [slow, quick] = [new OutboxStore(db), new OutboxStore(await connected())];
  const nowMs = Date.now();
  const claims = { nowMs, horizonMs: nowMs + 600_000, leaseMs: 10_000, limit: 1 };
  const [entry] = await slow.claim(claims);
  if (entry === undefined) throw new Error("Nothing is due.");
  expect(await quick.claim(claims)).toEqual([]);
  expect(await quick.claim({ ...claims, nowMs: nowMs + 10_000 })).toHaveLength(1);
  await slow.postpone(entry, nowMs + 300_000);
  await slow.release(entry);
  expect(await quick.nextDueMs(nowMs)).toBe(nowMs + 20_000);
});

test("an outbox that closes gives back at once what it had not begun", async () => {
  await place(2);
  const store = new OutboxStore(await connected());
  const outbox = new Outbox({
    store: Object.assign(Object.create(store) as OutboxStore, {
      async claim(options: Parameters<OutboxStore["claim"]>[0]) {
        const claimed = await store.claim(options);
        void outbox.close();
        return claimed;
      },
      makeAllDue: () => store.makeAllDue(),
      release: (entry: Parameters<OutboxStore["release"]>[0]) => store.release(entry),
      nextDueMs: (nowMs: number) => store.nextDueMs(nowMs),
    }),
    payments: paymentDouble().payments,
    log: silent,
    onSettled: () => undefined,
  });
  await outbox.start();
  await outbox.close();
  const rows = await db.selectFrom("outbox").select(["claimed_by", "next_attempt_at_ms"]).execute();
  expect(rows).toEqual(Array.from({ length: 2 }, () => ({ claimed_by: null, next_attempt_at_ms: 0n })));
});

test("whoever watches on one replica hears what another has settled", async () => {
  const [orderId = "", other = ""] = await place(2);
  const here = await connected();
  const changes = new OrderChanges();
  const elsewhere = new SettledElsewhere({ store: new OrderStore(here), changes, log: silent, pollMs: 20 });
  cleanUps.push(() => elsewhere.close());
  using watched = changes.watch(orderId);
  using unchanged = changes.watch(other);
  const abort = new AbortController();
  const nothing = unchanged.changed(abort.signal);
  const heard = watched.changed(AbortSignal.timeout(10_000));
  await new OutboxStore(db).settle(orderId, { state: "PAID", paymentId: "pay_1" });
  await heard;
  expect((await new OrderStore(here).find("storefront", orderId))?.state).toBe("PAID");
  abort.abort(new Error("nothing was heard"));
  await expect(nothing).rejects.toThrow("nothing was heard");
});

test("watching goes on after the database was away", async () => {
  const [orderId = ""] = await place(1);
  const store = new OrderStore(db);
  const changes = new OrderChanges();
  const complaints: string[] = [];
  let away = true;
  const elsewhere = new SettledElsewhere({
    store: {
      async settledOf(orderIds) {
        if (away) throw new Error("The database is away.");
        return await store.settledOf(orderIds);
      },
    },
    changes,
    log: { warn: (_fields, message) => void complaints.push(message) },
    pollMs: 5,
  });
  cleanUps.push(() => elsewhere.close());
  using watched = changes.watch(orderId);
  await new OutboxStore(db).settle(orderId, { state: "PAID", paymentId: "pay_1" });
  await vi.waitFor(() => expect(complaints).toContain("orders that are watched cannot be read"));
  away = false;
  await watched.changed(AbortSignal.timeout(10_000));
  expect(await stateOf(orderId)).toBe("PAID");
});
