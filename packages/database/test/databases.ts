// The databases that the suites of stores run against, in the services too: each new and empty.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type PostgresServer, startPostgres } from "@zero-trust/testkit/servers";
import { sql } from "kysely";
import { type DatabaseLocation, type Engine, openDatabase } from "../src/index.ts";

/** Where new databases come from. */
export interface Databases extends AsyncDisposable {
  /** Makes one. */
  fresh(): Promise<DatabaseLocation>;
}

/** Files in a folder of their own, or databases of a server of their own. */
export async function startDatabases(engine: Engine): Promise<Databases> {
  let made = 0;
  if (engine === "sqlite") {
    const folder = mkdtempSync(join(tmpdir(), "databases-"));
    return {
      fresh: async () => ({ file: join(folder, `${++made}.db`) }),
      [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true }),
    };
  }
  const server = await startPostgres();
  return {
    fresh: async () => await createDatabase(server, `test_${++made}`),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** Makes a database of a server that was started without TLS. */
export async function createDatabase(server: PostgresServer, database: string): Promise<DatabaseLocation> {
  const db = await openDatabase({ ...locationOn(server, server.database), migrations: {} });
  await sql`create database ${sql.id(database)}`.execute(db);
  await db.destroy();
  return locationOn(server, database);
}

/** A database of a server that was started without TLS. */
export function locationOn(server: PostgresServer, database: string): { readonly postgres: PostgresLocation } {
  const { host, port, user, password } = server;
  // What takes long here takes long because the machine is busy.
  const patient = { connectTimeoutMs: 20_000, statementTimeoutMs: 20_000, lockTimeoutMs: 15_000 };
  return { postgres: { host, port, user, database, password: () => password, tls: () => undefined, ...patient } };
}

type PostgresLocation = Extract<DatabaseLocation, { readonly postgres: unknown }>["postgres"];
