import { Kysely, PostgresDialect, sql } from "kysely";
import { DatabaseError, DatabaseUnavailableError } from "./database-error.ts";
import { nameOf, type PostgresOptions, postgresPool } from "./postgres-pool.ts";
import { type Migrations, migrate, refuseStrangeSchema } from "./schema.ts";
import type { OpenedDatabase } from "./sqlite.ts";

/** A migration may have to rewrite a table, and a replica that starts has to wait for the one that is at it. */
const MIGRATION_TIMEOUT_MS = 600_000;

/** A server that takes longer for the smallest question there is serves nobody. */
const READY_TIMEOUT_MS = 2_000;

/** Opens a PostgreSQL database and brings its schema up to date, however many replicas do so at once. */
export async function openPostgres<Schema>(
  options: PostgresOptions,
  migrations: Migrations,
): Promise<OpenedDatabase<Schema>> {
  const name = nameOf(options);
  await bringUpToDate({ ...options, poolSize: 1, statementTimeoutMs: MIGRATION_TIMEOUT_MS }, name, migrations);
  const db = kysely<Schema>(options);
  return { db, isReady: () => isServerReady(db, name) };
}

function kysely<Schema>(options: PostgresOptions): Kysely<Schema> {
  return new Kysely<Schema>({ dialect: new PostgresDialect({ pool: postgresPool(options) }) });
}

// By a connection of its own, since what a migration may take is not what a call may take.
async function bringUpToDate(options: PostgresOptions, name: string, migrations: Migrations): Promise<void> {
  const db = kysely<KyselyTables>(options);
  try {
    await refuseReadOnly(db, name);
    const { rows } = await sql<{
      name: string;
    }>`select tablename as name from pg_tables where schemaname = current_schema()`.execute(db);
    const tables = rows.map((row) => row.name);
    const applied = tables.includes("kysely_migration")
      ? await db.selectFrom("kysely_migration").select("name").orderBy("name").execute()
      : [];
    refuseStrangeSchema(name, { tables, applied: applied.map((row) => row.name) }, migrations);
    await migrate(db, name, migrations);
  } finally {
    await db.destroy();
  }
}

interface KyselyTables {
  readonly kysely_migration: { readonly name: string };
}

async function isServerReady<Schema>(db: Kysely<Schema>, name: string): Promise<boolean> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new DatabaseUnavailableError(`The database ${name} does not answer in ${READY_TIMEOUT_MS} ms.`)),
    READY_TIMEOUT_MS,
  );
  const asking = refuseReadOnly(db, name);
  try {
    await Promise.race([asking, late.promise]);
  } finally {
    clearTimeout(timer);
    // It ends in its own time.
    asking.catch(() => undefined);
  }
  return true;
}

// A standby answers every question, and writes nothing.
async function refuseReadOnly<Schema>(db: Kysely<Schema>, name: string): Promise<void> {
  const { rows } = await sql<{
    readonly read_only: boolean;
  }>`select pg_is_in_recovery() or current_setting('transaction_read_only')::boolean as read_only`.execute(db);
  if (rows[0]?.read_only !== false)
    throw new DatabaseError(`The database ${name} is read-only: name the server that writes.`);
}
