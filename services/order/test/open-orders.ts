// What the tests and the processes that they kill share: a folder's database, and one order.
import { join } from "node:path";
import { type DatabaseLocation, openDatabase } from "@zero-trust/database";
import type { Kysely } from "kysely";
import { migrations, type OrderSchema } from "../src/migrations.ts";
import { OrderStore } from "../src/store.ts";

/** Opens the database of a folder, or the one that is there. */
export async function openOrders(at: string | DatabaseLocation): Promise<Kysely<OrderSchema>> {
  const location = typeof at === "string" ? { file: join(at, "order.db") } : at;
  return await openDatabase<OrderSchema>({ ...location, migrations });
}

/** Places the storefront's order with this number. */
export async function placeOrder(db: Kysely<OrderSchema>, number = 1): Promise<string> {
  const price = { currencyCode: "EUR", minorUnits: 2599n };
  const [order] = await new OrderStore(db).place("storefront", [
    {
      requestId: `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`,
      fingerprint: new Uint8Array(32).fill(number),
      lines: [{ sku: "BOOK", quantity: 1, unitPrice: price }],
      total: price,
    },
  ]);
  if (order === undefined) throw new Error("The order was not placed.");
  return order.orderId;
}
