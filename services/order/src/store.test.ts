import type { Engine } from "@zero-trust/database";
import { type Databases, startDatabases } from "@zero-trust/database/test/databases";
import type { Kysely } from "kysely";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openOrders, placeOrder } from "../test/open-orders.ts";
import type { OrderSchema } from "./migrations.ts";
import { type OrderRequest, OrderStore } from "./store.ts";

describe.each<Engine>(["sqlite", "postgres"])("on %s", (engine) => {
  let databases: Databases;
  beforeAll(async () => {
    databases = await startDatabases(engine);
  });
  afterAll(() => databases[Symbol.asyncDispose]());

  let db: Kysely<OrderSchema>;
  let store: OrderStore;
  beforeEach(async () => {
    db = await openOrders(await databases.fresh());
    store = new OrderStore(db);
  });
  afterEach(async () => {
    await db.destroy();
  });

  const price = { currencyCode: "EUR", minorUnits: 1n };
  const request = (number: number): OrderRequest => ({
    requestId: `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`,
    fingerprint: new Uint8Array(32).fill(number % 256),
    lines: Array.from({ length: 10 }, () => ({ sku: "BOOK", quantity: 1, unitPrice: price })),
    total: price,
  });
  const requests = (length: number) => Array.from({ length }, (_, number) => request(number));

  test("lets others have their turn while it writes the longest import", async () => {
    let turns = 0;
    let going = true;
    const count = () => {
      turns += 1;
      if (going) setImmediate(count);
    };
    setImmediate(count);
    await store.place("storefront", requests(1000));
    going = false;
    expect(turns).toBeGreaterThanOrEqual(99);
  });

  test("shows nothing of an import that is going on", async () => {
    const seen: number[] = [];
    let going = true;
    const look = async () => {
      while (going) {
        seen.push((await store.ordersAfter("storefront", { after: "", limit: 1000 })).length);
        await new Promise(setImmediate);
      }
    };
    const looking = look();
    await store.place("storefront", requests(100));
    going = false;
    await looking;
    expect(seen.length).toBeGreaterThan(0);
    expect(seen.filter((orders) => orders !== 0 && orders !== 100)).toEqual([]);
  });

  test("a failed import takes nothing with it of what was placed meanwhile", async () => {
    const reused = { ...request(1), fingerprint: new Uint8Array(32).fill(255) };
    const importing = store.place("storefront", [...requests(100), reused]);
    const meanwhile = new Promise(setImmediate).then(() => placeOrder(db, 500));
    await expect(importing).rejects.toMatchObject({ failure: "REQUEST_REUSED" });
    const orderId = await meanwhile;
    const orders = await store.ordersAfter("storefront", { after: "", limit: 1000 });
    expect(orders.map((order) => order.orderId)).toEqual([orderId]);
  });
});
