import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Deployment } from "@zero-trust/infra/deployment";
import { spiffeIdOf } from "@zero-trust/infra/names";
import { clientTlsOptions, identityFromDirectory } from "@zero-trust/mtls";
import { Client, types } from "pg";
import { type BookRows, type Books, bookQueries, booksOf } from "../kills/books.ts";
import type { Effects } from "../stack/relay/count-effects.ts";
import type { EffectFiles } from "../stack/relay/protocol.ts";

/** The databases of a fleet, as its operator sees them: behind the backs of the services. */
export interface Databases {
  /** Makes roles and databases as `zt compose prepare` has them. */
  prepare(): Promise<void>;
  query<Row>(database: string, sql: string): Promise<readonly Row[]>;
  effects(): Promise<Effects>;
  books(tornDecisions: readonly string[]): Promise<Books>;
}

/** Where the databases are, and as whom they are asked: who may everything. */
export interface DatabasesOptions {
  readonly deployment: Deployment;
  readonly port: number;
  readonly password: string;
}

const EFFECTS: Readonly<Record<keyof EffectFiles, string>> = {
  order: "SELECT count(*) AS orders, count(*) FILTER (WHERE state = 'PENDING') AS pending FROM orders",
  payment:
    'SELECT (SELECT count(*) FROM payments) AS payments, count(*) AS "ledgerLines", coalesce(sum(minor_units), 0)::bigint AS "ledgerSum" FROM transactions',
  acquirer: "SELECT count(*) AS charges FROM charges",
};

/** Makes a connection for each question: there are few, and the server may be another one by the next. */
export function databasesOf({ deployment, port, password }: DatabasesOptions): Databases {
  async function query<Row>(database: string, sql: string): Promise<readonly Row[]> {
    const identity = identityFromDirectory(deployment.tlsFolder("postgres"));
    const ssl = clientTlsOptions({ identity, serverId: spiffeIdOf("postgres") });
    const client = new Client({ host: "127.0.0.1", port, user: "postgres", database, password, ssl });
    client.setTypeParser(types.builtins.INT8, BigInt);
    client.setTypeParser(types.builtins.INT4, BigInt);
    try {
      await client.connect();
      return (await client.query(sql)).rows as Row[];
    } finally {
      await client.end();
      identity.close();
    }
  }
  return {
    query,
    async prepare() {
      const roles = readFileSync(join(deployment.folder, "postgres/roles.sql"), "utf8");
      // One by one: a database is not made in a transaction.
      for (const statement of roles.split(";\n").filter((each) => each.trim() !== ""))
        await query("postgres", statement);
    },
    async effects() {
      const counts = await Promise.all(
        Object.entries(EFFECTS).map(async ([name, sql]) => (await query<Record<string, bigint>>(name, sql))[0]),
      );
      const all = Object.fromEntries(counts.flatMap((row) => Object.entries(row ?? {})));
      // By the names of the columns above.
      return Object.fromEntries(
        Object.entries(all).map(([name, count]) => [name, Number(count)]),
      ) as unknown as Effects;
    },
    async books(tornDecisions) {
      const rows = await Promise.all(
        Object.entries(bookQueries).map(
          async ([name, { database, sql }]) => [name, await query(database, sql)] as const,
        ),
      );
      return booksOf(Object.fromEntries(rows) as unknown as BookRows, tornDecisions);
    },
  };
}
