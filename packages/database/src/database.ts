import { existsSync, statSync } from "node:fs";
import { stat } from "node:fs/promises";
import Sqlite from "better-sqlite3";
import { Kysely, SqliteAdapter, SqliteDialect, sql } from "kysely";
import { type Migration, Migrator } from "kysely/migration";

/** A database file that cannot be used; the message is the sentence for the operator. */
export class DatabaseError extends Error {
  override readonly name = "DatabaseError";
}

/** Which file, and the schema that this version of the program knows. */
export interface DatabaseOptions {
  /** The path of the SQLite file; it is made when it does not exist. */
  readonly file: string;
  /** Every migration there is, by name; run in the order of the names. */
  readonly migrations: Readonly<Record<string, Migration>>;
}

/**
 * Opens a SQLite file and brings its schema up to date.
 *
 * Every commit is on the disk before it is acknowledged (WAL with `synchronous=FULL`), and integers come back as
 * bigint, so that no amount loses a digit.
 *
 * @throws DatabaseError when the file is not ours, or of a newer schema: it is then left as it was.
 */
export async function openDatabase<Schema>(options: DatabaseOptions): Promise<Kysely<Schema>> {
  const { file, migrations } = options;
  refuseStrangeSchema(file, Object.keys(migrations));
  const connection = open(file, {});
  connection.defaultSafeIntegers(true);
  connection.pragma("journal_mode = WAL");
  connection.pragma("synchronous = FULL");
  connection.pragma("foreign_keys = ON");

  const db = new Kysely<Schema>({ dialect: new TransactionalDdlDialect({ database: connection }) });
  const migrator = new Migrator({ db, provider: { getMigrations: async () => ({ ...migrations }) } });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) {
    await db.destroy();
    throw new DatabaseError(`The schema of the database ${file} could not be brought up to date: ${sentence(error)}.`);
  }
  const { dev, ino } = statSync(file);
  opened.set(db, { file, dev, ino });
  return db;
}

/** The file that a database was opened on: its path, and which file that was. */
interface OpenedFile {
  readonly file: string;
  readonly dev: number;
  readonly ino: number;
}

const opened = new WeakMap<object, OpenedFile>();

/**
 * Says whether a database can be used: its file is still the one that was opened and can be read anew, and queries are
 * answered. A file that was removed or replaced takes every commit, and none of them is there after the next start.
 *
 * It waits for transactions that are running; whoever asks sets a time-out.
 *
 * @throws TypeError for a database that `openDatabase` did not open; DatabaseError, or what SQLite says, when it cannot be used
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
  const was = opened.get(db);
  if (was === undefined) throw new TypeError("Only a database that openDatabase() opened can be asked.");
  const { file } = was;
  const is = await stat(file).catch((error: unknown) => {
    throw new DatabaseError(`The database ${file} is gone: ${sentence(error)}.`);
  });
  if (is.ino !== was.ino || is.dev !== was.dev) throw new DatabaseError(`The database ${file} was replaced.`);
  // By a connection of its own, since the other has pages in its memory. Through SQLite, which alone can close a file without
  // ending the locks that this process has on it.
  const connection = open(file, { readonly: true, fileMustExist: true });
  try {
    connection.prepare("select count(*) from sqlite_schema").get();
  } finally {
    connection.close();
  }
  await sql`select 1`.execute(db);
  return true;
}

// Looked at read-only, before anything (the journal mode, a table) is written to a file that is not for us.
function refuseStrangeSchema(file: string, known: readonly string[]): void {
  if (!existsSync(file)) return;
  const connection = open(file, { readonly: true });
  try {
    const tables = connection
      .prepare<[], { name: string }>("select name from sqlite_schema where type = 'table'")
      .all();
    if (tables.length === 0) return;
    if (!tables.some(({ name }) => name === "kysely_migration"))
      throw new DatabaseError(`The database ${file} was not made by this program: name another file.`);
    const applied = connection.prepare<[], { name: string }>("select name from kysely_migration order by name").all();
    const unknown = applied.find(({ name }) => !known.includes(name));
    if (unknown !== undefined)
      throw new DatabaseError(
        `The database ${file} has the schema "${unknown.name}", which this version does not know: start the version that wrote it, or a newer one.`,
      );
  } catch (error) {
    if (error instanceof DatabaseError) throw error;
    throw new DatabaseError(`The database ${file} cannot be read: ${sentence(error)}.`);
  } finally {
    connection.close();
  }
}

function open(file: string, options: Sqlite.Options): Sqlite.Database {
  try {
    return new Sqlite(file, options);
  } catch (error) {
    throw new DatabaseError(`The database ${file} cannot be opened: ${sentence(error)}.`);
  }
}

const sentence = (error: unknown): string => (error instanceof Error ? error.message : String(error));

// SQLite rolls DDL back like anything else; Kysely says no for its sake only. Without it, a process killed inside a
// migration would leave tables that the next start cannot create again.
class TransactionalDdlDialect extends SqliteDialect {
  override createAdapter(): SqliteAdapter {
    return new TransactionalDdlAdapter();
  }
}

class TransactionalDdlAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}
