import { existsSync, statSync } from "node:fs";
import { stat } from "node:fs/promises";
import Sqlite from "better-sqlite3";
import { Kysely, SqliteAdapter, SqliteDialect, sql } from "kysely";
import { DatabaseError, sentence } from "./database-error.ts";
import { GroupedCommits } from "./grouped-commits.ts";
import { type Migrations, migrate, refuseStrangeSchema } from "./schema.ts";

/** A database on a file, and how to ask whether it can be used. */
export interface OpenedDatabase<Schema> {
  readonly db: Kysely<Schema>;
  readonly isReady: () => Promise<boolean>;
}

/** Opens a SQLite file and brings its schema up to date. */
export async function openSqlite<Schema>(file: string, migrations: Migrations): Promise<OpenedDatabase<Schema>> {
  refuseStrangeFile(file, migrations);
  const connection = open(file, {});
  connection.defaultSafeIntegers(true);
  connection.pragma("journal_mode = WAL");
  connection.pragma("synchronous = FULL");
  connection.pragma("foreign_keys = ON");

  const db = new Kysely<Schema>({ dialect: new OurDialect(connection) });
  try {
    await migrate(db, file, migrations);
  } catch (error) {
    await db.destroy();
    throw error;
  }
  const { dev, ino } = statSync(file);
  return { db, isReady: () => isFileReady(db, { file, dev, ino }) };
}

/** The file that a database was opened on: its path, and which file that was. */
interface OpenedFile {
  readonly file: string;
  readonly dev: number;
  readonly ino: number;
}

// A file that was removed or replaced takes every commit, and none of them is there after the next start.
async function isFileReady<Schema>(db: Kysely<Schema>, was: OpenedFile): Promise<boolean> {
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
function refuseStrangeFile(file: string, migrations: Migrations): void {
  if (!existsSync(file)) return;
  const connection = open(file, { readonly: true });
  const names = (query: string) =>
    connection
      .prepare<[], { name: string }>(query)
      .all()
      .map(({ name }) => name);
  try {
    const tables = names("select name from sqlite_schema where type = 'table'");
    const applied = tables.includes("kysely_migration") ? names("select name from kysely_migration order by name") : [];
    refuseStrangeSchema(file, { tables, applied }, migrations);
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

class OurDialect extends SqliteDialect {
  readonly #connection: Sqlite.Database;

  constructor(connection: Sqlite.Database) {
    super({ database: connection });
    this.#connection = connection;
  }

  override createAdapter(): SqliteAdapter {
    return new OurAdapter();
  }

  override createDriver(): GroupedCommits {
    return new GroupedCommits(this.#connection);
  }
}

class OurAdapter extends SqliteAdapter {
  // SQLite rolls DDL back like anything else; Kysely says no for its sake only. Without it, a process killed inside a
  // migration would leave tables that the next start cannot create again.
  override get supportsTransactionalDdl(): boolean {
    return true;
  }

  // There is one, which the driver gives to one after the other: Kysely would keep it for a transaction until it is committed.
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}
