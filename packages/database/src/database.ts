import type { Kysely } from "kysely";
import { openPostgres } from "./postgres.ts";
import type { PostgresOptions } from "./postgres-pool.ts";
import type { Migrations } from "./schema.ts";
import { openSqlite } from "./sqlite.ts";

/** A SQLite file, of one process and made when it does not exist; or a database of PostgreSQL that is there, empty or ours. */
export type DatabaseLocation = { readonly file: string } | { readonly postgres: PostgresOptions };

/** Which database, and the schema that this version of the program knows. */
export type DatabaseOptions = DatabaseLocation & {
  /** Every migration there is, by name; run in the order of the names. */
  readonly migrations: Migrations;
};

/**
 * Opens a SQLite file or a PostgreSQL database and brings its schema up to date.
 *
 * Every commit is on the disk before it is acknowledged (`synchronous=FULL`, `synchronous_commit=on`), and integers come back
 * as bigint, so that no amount loses a digit.
 *
 * @throws DatabaseError when it is not ours, of a newer schema (it is then left as it was), or cannot be used.
 * @example
 * ```ts
 * import { readFile } from "node:fs/promises";
 * import type { ConnectionOptions } from "node:tls";
 * import { openDatabase } from "@zero-trust/database";
 *
 * export const open = (tls: () => ConnectionOptions) =>
 *   openDatabase({
 *     postgres: {
 *       host: "postgres.production.internal",
 *       port: 5432,
 *       database: "order",
 *       user: "order",
 *       password: async () => (await readFile("/run/secrets/database-password", "utf8")).trimEnd(),
 *       tls,
 *     },
 *     migrations: {},
 *   });
 * ```
 */
export async function openDatabase<Schema>(options: DatabaseOptions): Promise<Kysely<Schema>> {
  const { migrations } = options;
  const { db, isReady } =
    "file" in options
      ? await openSqlite<Schema>(options.file, migrations)
      : await openPostgres<Schema>(options.postgres, migrations);
  opened.set(db, isReady);
  return db;
}

const opened = new WeakMap<object, () => Promise<boolean>>();

/**
 * Says whether a database can be used. A file: it is still the one that was opened and can be read anew. A server: it answers
 * within two seconds, and takes writes. Queries are answered.
 *
 * With a file it waits for transactions that are running; whoever asks sets a time-out.
 *
 * @throws TypeError for a database that `openDatabase` did not open; DatabaseError, or what the database says, when it cannot be used
 * @example
 * ```ts
 * import { isDatabaseReady, openDatabase } from "@zero-trust/database";
 *
 * export async function readiness(): Promise<() => Promise<boolean>> {
 *   const db = await openDatabase({ file: "order.db", migrations: {} });
 *   return () => isDatabaseReady(db);
 * }
 * ```
 */
export async function isDatabaseReady<Schema>(db: Kysely<Schema>): Promise<boolean> {
  const isReady = opened.get(db);
  if (isReady === undefined) throw new TypeError("Only a database that openDatabase() opened can be asked.");
  return await isReady();
}
