export { type ColumnTypes, columnTypes } from "./column-types.ts";
export { type DatabaseLocation, type DatabaseOptions, isDatabaseReady, openDatabase } from "./database.ts";
export { DatabaseError, DatabaseUnavailableError } from "./database-error.ts";
export { type Engine, engineOf } from "./engine.ts";
export { inTurn } from "./in-turn.ts";
export type { PostgresOptions } from "./postgres-pool.ts";
export type { Migrations } from "./schema.ts";
export { serializable } from "./serializable.ts";
export { isDatabaseUnavailable } from "./unavailable.ts";
