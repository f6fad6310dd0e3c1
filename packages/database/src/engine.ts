import { type Kysely, PostgresAdapter } from "kysely";

/** The two databases that the same queries run on. */
export type Engine = "sqlite" | "postgres";

/** Which one a Kysely speaks to, inside a migration or a transaction too. */
export function engineOf<Schema>(db: Kysely<Schema>): Engine {
  return db.getExecutor().adapter instanceof PostgresAdapter ? "postgres" : "sqlite";
}
