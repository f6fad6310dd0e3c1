/** What is needed of a pool of `pg`. */
export interface PostgresPool {
  query(text: string, values: unknown[]): Promise<{ readonly rows: readonly unknown[] }>;
}

/**
 * A table's name for SQL.
 *
 * @param table - `name` or `schema.name`, of a-z, 0-9 and _
 * @throws TypeError when it is none
 */
export function quotedTable(table: string): string {
  if (!/^(?:[a-z_][a-z0-9_]{0,62}\.)?[a-z_][a-z0-9_]{0,62}$/.test(table)) {
    throw new TypeError("A table is called by a-z, 0-9 and _, with its schema before a dot where it has one.");
  }
  return table
    .split(".")
    .map((name) => `"${name}"`)
    .join(".");
}
