import { setTimeout as pause } from "node:timers/promises";
import type { Kysely, Transaction } from "kysely";
import { engineOf } from "./engine.ts";

/** With that many at once for the same rows, something else is wrong. */
const MAX_ATTEMPTS = 10;

/** About what a transaction takes: those that were in each other's way come back apart. */
const FIRST_PAUSE_MS = 2;
const MAX_PAUSE_MS = 100;

/** What PostgreSQL says when transactions could not have happened one after the other, and when they wait for each other. */
const conflicts: ReadonlySet<unknown> = new Set(["40001", "40P01"]);

/**
 * Runs a transaction as if no other ran at the same time.
 *
 * In PostgreSQL it is SERIALIZABLE, and made again, from the start, when another one was in its way; so the work does nothing
 * but ask and change this database. In SQLite one transaction runs at a time as it is.
 *
 * @throws what the work throws; what PostgreSQL says (`code` 40001 or 40P01) when ten attempts were in the way of others
 * @example
 * ```ts
 * import { serializable } from "@zero-trust/database";
 * import type { Kysely } from "kysely";
 *
 * interface Schema {
 *   readonly seats: { readonly seat: string; readonly taken_by: string };
 * }
 *
 * export async function take(db: Kysely<Schema>, seat: string, guest: string): Promise<boolean> {
 *   return await serializable(db, async (transaction) => {
 *     const taken = await transaction.selectFrom("seats").selectAll().where("seat", "=", seat).execute();
 *     if (taken.length > 0) return false;
 *     await transaction.insertInto("seats").values({ seat, taken_by: guest }).execute();
 *     return true;
 *   });
 * }
 * ```
 */
export async function serializable<Schema, Result>(
  db: Kysely<Schema>,
  work: (transaction: Transaction<Schema>) => Promise<Result>,
): Promise<Result> {
  if (engineOf(db) === "sqlite") return await db.transaction().execute(work);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await db.transaction().setIsolationLevel("serializable").execute(work);
    } catch (error) {
      if (attempt === MAX_ATTEMPTS || !isConflict(error)) throw error;
    }
    await pause(Math.random() * Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt));
  }
}

function isConflict(error: unknown): boolean {
  return error instanceof Error && "code" in error && conflicts.has(error.code);
}
