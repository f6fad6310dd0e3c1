import { CompiledQuery, type Kysely } from "kysely";

/** Statements as texts, with `$1` where a value is, as a pool of `pg` takes them. */
export interface PlainQueries {
  query(text: string, values: readonly unknown[]): Promise<{ readonly rows: readonly unknown[] }>;
}

/**
 * The database for code that knows no Kysely: the keys of `@zero-trust/auth/stores/postgres`, for one. It shares the
 * connections, and their time-outs.
 *
 * @example
 * ```ts
 * import { plainQueries } from "@zero-trust/database";
 * import type { Kysely } from "kysely";
 *
 * export async function isThere(db: Kysely<unknown>, id: string): Promise<boolean> {
 *   const { rows } = await plainQueries(db).query("select 1 from api_keys where id = $1", [id]);
 *   return rows.length > 0;
 * }
 * ```
 */
export function plainQueries<Schema>(db: Kysely<Schema>): PlainQueries {
  return { query: (text, values) => db.executeQuery(CompiledQuery.raw(text, [...values])) };
}
