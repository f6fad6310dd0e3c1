import { createHash } from "node:crypto";
import { join } from "node:path";
import type { DatabaseLocation } from "@zero-trust/database";
import type { PostgresServer } from "@zero-trust/testkit/servers";
import { Client } from "pg";

let server: PostgresServer | undefined;
const made = new Set<string>();

/** Has what comes keep its state on a PostgreSQL server, and not in a file. */
export function usePostgres(running: PostgresServer): void {
  server = running;
}

/** Whether the state is in a file, which a test may take away. */
export function isFile(): boolean {
  return server === undefined;
}

/** Where the issuer of a folder keeps its state: the same for the same folder. */
export async function databaseOf(folder: string): Promise<DatabaseLocation> {
  if (server === undefined) return { file: join(folder, "issuer.db") };
  return await postgresDatabase(server, `issuer_${createHash("sha256").update(folder).digest("hex").slice(0, 16)}`);
}

/** A database of a server, which is made when it is not there. */
export async function postgresDatabase(running: PostgresServer, database: string): Promise<DatabaseLocation> {
  const { host, port, user, password } = running;
  if (!made.has(database)) {
    const client = new Client({ host, port, user, password, database: running.database });
    await client.connect();
    await client.query(`create database ${database}`);
    await client.end();
    made.add(database);
  }
  return { postgres: { host, port, user, database, password: () => password, tls: () => undefined } };
}
