import type { ColumnDefinitionBuilder, Kysely } from "kysely";
import { engineOf } from "./engine.ts";

/** What SQLite and PostgreSQL call differently, for migrations. */
export interface ColumnTypes {
  /** The type of bytes. */
  readonly bytes: "blob" | "bytea";
  /** The type of a number that the database draws, one after the other, and how to say so; it is the primary key. */
  readonly position: readonly ["integer" | "bigint", (column: ColumnDefinitionBuilder) => ColumnDefinitionBuilder];
}

const types: Readonly<Record<"sqlite" | "postgres", ColumnTypes>> = {
  sqlite: { bytes: "blob", position: ["integer", (column) => column.primaryKey().autoIncrement()] },
  postgres: { bytes: "bytea", position: ["bigint", (column) => column.generatedAlwaysAsIdentity().primaryKey()] },
};

/**
 * The column types that a migration has to choose by the database that it runs on.
 *
 * @example
 * ```ts
 * import { columnTypes } from "@zero-trust/database";
 * import type { Kysely } from "kysely";
 *
 * export async function up(db: Kysely<unknown>): Promise<void> {
 *   const { bytes, position } = columnTypes(db);
 *   await db.schema.createTable("events").addColumn("position", ...position).addColumn("body", bytes).execute();
 * }
 * ```
 */
export function columnTypes<Schema>(db: Kysely<Schema>): ColumnTypes {
  return types[engineOf(db)];
}
