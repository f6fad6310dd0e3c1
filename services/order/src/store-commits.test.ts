// Transactions that overlap, which a file does not have.
import { type DatabaseLocation, openDatabase } from "@zero-trust/database";
import { type Databases, startDatabases } from "@zero-trust/database/test/databases";
import { type Kysely, sql } from "kysely";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { migrations, type OrderSchema } from "./migrations.ts";
import { type OrderRequest, OrderStore } from "./store.ts";

let databases: Databases;
beforeAll(async () => {
  databases = await startDatabases("postgres");
});
afterAll(() => databases[Symbol.asyncDispose]());

async function connected(location: DatabaseLocation): Promise<Kysely<OrderSchema>> {
  if (!("postgres" in location)) throw new Error("It has no transactions that overlap.");
  // What waits here waits for us, or for a busy machine.
  const postgres = {
    ...location.postgres,
    connectTimeoutMs: 40_000,
    lockTimeoutMs: 30_000,
    statementTimeoutMs: 40_000,
  };
  const db = await openDatabase<OrderSchema>({ postgres, migrations });
  onTestFinished(() => db.destroy());
  return db;
}

const price = { currencyCode: "EUR", minorUnits: 1n };
const request = (number: number): OrderRequest => ({
  requestId: `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`,
  fingerprint: new Uint8Array(32).fill(number),
  lines: [{ sku: "BOOK", quantity: 1, unitPrice: price }],
  total: price,
});

async function idsAfter(store: OrderStore, after: string): Promise<readonly string[]> {
  return (await store.ordersAfter("storefront", { after, limit: 1_000 })).map((order) => order.orderId);
}

test("whoever reads page by page misses no order whose transaction commits late", async () => {
  const location = await databases.fresh();
  const [db, other] = [await connected(location), await connected(location)];
  const store = new OrderStore(db);
  let late: ReturnType<OrderStore["place"]> | undefined;
  let next: ReturnType<OrderStore["place"]> | undefined;
  let nextIsPlaced = false;
  let seen: readonly string[] = [];

  const givingUp = other.transaction().execute(async (transaction) => {
    // The same request id, in a transaction that is not over: whoever places it has drawn its position, and waits.
    await transaction
      .insertInto("orders")
      .values({
        order_id: "ord_of_nobody",
        client: "storefront",
        request_id: request(1).requestId,
        fingerprint: request(1).fingerprint,
        currency_code: "EUR",
        minor_units: 1n,
        state: "PENDING",
        payment_id: null,
        created_at_ms: 0n,
      })
      .execute();
    late = store.place("storefront", [request(1)]);
    await vi.waitFor(async () => expect(await waiting(other)).toBe(1n), { timeout: 20_000 });
    next = new OrderStore(other).place("storefront", [request(2)]);
    void next.then(() => {
      nextIsPlaced = true;
    });
    await vi.waitFor(async () => expect(nextIsPlaced || (await waiting(db)) === 2n).toBe(true), { timeout: 20_000 });
    seen = await idsAfter(store, "");
    throw new Error("Nobody's order is not placed after all.");
  });
  await expect(givingUp).rejects.toThrow("not placed after all");

  const placed = (await Promise.all([late, next])).flatMap((orders) => orders ?? []);
  expect(placed).toHaveLength(2);
  expect([...seen, ...(await idsAfter(store, seen.at(-1) ?? ""))].toSorted()).toEqual(
    placed.map((order) => order.orderId).toSorted(),
  );
});

async function waiting(db: Kysely<OrderSchema>): Promise<bigint | undefined> {
  const { rows } = await sql<{
    count: bigint;
  }>`select count(*) as count from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`.execute(
    db,
  );
  return rows[0]?.count;
}

test("orders that are placed all at once, by two replicas, are read once each, in pages, while they are placed", async () => {
  const location = await databases.fresh();
  const stores = await Promise.all([1, 2].map(async () => new OrderStore(await connected(location))));
  const reader = new OrderStore(await connected(location));
  const read: string[] = [];
  let placing = true;
  const reading = (async () => {
    for (let last = false; !last; ) {
      last = !placing;
      read.push(...(await idsAfter(reader, read.at(-1) ?? "")));
    }
  })();
  const placed = await Promise.all(
    stores.flatMap((store, replica) =>
      Array.from({ length: 30 }, (_, number) => store.place("storefront", [request(replica * 30 + number + 1)])),
    ),
  );
  placing = false;
  await reading;
  expect(read.toSorted()).toEqual(
    placed
      .flat()
      .map((order) => order.orderId)
      .toSorted(),
  );
});

test("the same request to two replicas at once is one order", async () => {
  const location = await databases.fresh();
  const stores = await Promise.all([1, 2].map(async () => new OrderStore(await connected(location))));
  const [first, second] = await Promise.all(stores.map((store) => store.place("storefront", [request(1)])));
  expect(first?.[0]?.orderId).toMatch(/^ord_/u);
  expect(second).toEqual(first);
});
