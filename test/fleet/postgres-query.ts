import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Deployment } from "@zero-trust/infra/deployment";
import { spiffeIdOf } from "@zero-trust/infra/names";
import { clientTlsOptions, identityFromDirectory } from "@zero-trust/mtls";
import { Client, types } from "pg";
import type { Query } from "./databases.ts";

/** Asks a PostgreSQL of the testkit as its superuser, over a connection a question: the server may be another one by the next. */
export function postgresQuery(
  { tlsFolder }: Pick<Deployment, "tlsFolder">,
  { port, user, password }: { readonly port: number; readonly user: string; readonly password: string },
): Query {
  return async <Row>(database: string, sql: string) => {
    const identity = identityFromDirectory(tlsFolder("postgres"));
    const ssl = clientTlsOptions({ identity, serverId: spiffeIdOf("postgres") });
    const client = new Client({ host: "127.0.0.1", port, user, database, password, ssl });
    client.setTypeParser(types.builtins.INT8, BigInt);
    client.setTypeParser(types.builtins.INT4, BigInt);
    try {
      await client.connect();
      return (await client.query(sql)).rows as Row[];
    } finally {
      await client.end();
      identity.close();
    }
  };
}

/** Makes the roles and databases of a deployment for compose. */
export async function makeDatabases({ folder }: Pick<Deployment, "folder">, query: Query): Promise<void> {
  const roles = readFileSync(join(folder, "postgres/roles.sql"), "utf8");
  // One by one: a database is not made in a transaction.
  for (const statement of roles.split(";\n").filter((each) => each.trim() !== "")) await query("postgres", statement);
}
