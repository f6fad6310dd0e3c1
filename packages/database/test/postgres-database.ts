// A database of a PostgreSQL server of the test's own, for the tests of this package.
import type { PostgresServer } from "@zero-trust/testkit/servers";
import { Client } from "pg";
import type { PostgresOptions } from "../src/index.ts";

/** How to reach a database of a test server: its first one unless named. */
export function reach(server: PostgresServer, database: string = server.database): PostgresOptions {
  const { host, port, user, password } = server;
  // What takes long here takes long because the machine is busy.
  const connectTimeoutMs = 20_000;
  return { host, port, user, database, password: () => password, tls: () => undefined, connectTimeoutMs };
}

let made = 0;

/** Makes a database that nobody else uses. */
export async function emptyDatabase(server: PostgresServer): Promise<PostgresOptions> {
  made += 1;
  const database = `test_${made}`;
  await run(reach(server), `create database ${database}`);
  return reach(server, database);
}

/** Runs a statement as somebody else would, by a connection of its own. */
export async function run(options: PostgresOptions, statement: string): Promise<readonly Record<string, unknown>[]> {
  const { host, port, user, database } = options;
  const client = new Client({ host, port, user, database, password: await options.password() });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(statement)).rows;
  } finally {
    await client.end();
  }
}
