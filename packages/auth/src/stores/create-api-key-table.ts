import { type PostgresPool, quotedTable } from "./postgres-pool.ts";

/**
 * Makes a table for API keys where there is none, also when several do so at once.
 *
 * @param pool - may make tables, unless it is there
 * @param table - `name` or `schema.name`
 * @throws what the pool throws
 */
export async function createApiKeyTable(pool: PostgresPool, table: string = "api_keys"): Promise<void> {
  const name = quotedTable(table);
  if (await exists(pool, name)) return;
  try {
    await pool.query(apiKeyTableSql(name), []);
  } catch (error) {
    // "if not exists" looks first and makes then: of two, one fails, and there is a table.
    if (!(await exists(pool, name))) throw error;
  }
}

/** Whoever may use the table may not be one who may make it. */
async function exists(pool: PostgresPool, name: string): Promise<boolean> {
  const { rows } = await pool.query("select where to_regclass($1) is not null", [name]);
  return rows.length > 0;
}

/** A record is JSON as the file has it, so that one parser reads both; the check keeps a row from speaking for another. */
function apiKeyTableSql(name: string): string {
  return `create table if not exists ${name} (
    id text primary key,
    record jsonb not null,
    constraint record_of_id check (record ->> 'id' = id)
  )`;
}
