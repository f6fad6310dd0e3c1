import { sql, type Transaction } from "kysely";
import { engineOf } from "./engine.ts";

/**
 * Waits until no other transaction is in the line of this name, and stays in it until this one ends.
 *
 * Numbers that a database draws are in the order of the commits only for transactions that draw them in turn: of others, one
 * may commit a lower number after everybody has read a higher one. In SQLite one transaction writes at a time as it is.
 *
 * @param name - what it is about; two names are, but for one chance in 2^64, two lines
 * @throws what PostgreSQL says (`code` 55P03) when its turn does not come within the lock time-out
 * @example
 * ```ts
 * import { inTurn } from "@zero-trust/database";
 * import type { Kysely } from "kysely";
 *
 * export async function append(db: Kysely<{ events: { body: string } }>, body: string): Promise<void> {
 *   await db.transaction().execute(async (transaction) => {
 *     await inTurn(transaction, "events");
 *     await transaction.insertInto("events").values({ body }).execute();
 *   });
 * }
 * ```
 */
export async function inTurn<Schema>(transaction: Transaction<Schema>, name: string): Promise<void> {
  if (engineOf(transaction) === "sqlite") return;
  await sql`select pg_advisory_xact_lock(hashtextextended(${name}, 0))`.execute(transaction);
}
