import { type ApiKeySource, parseApiKeyRecord } from "../api-key/records.ts";
import { object, onlyKeys, text } from "../json-shape.ts";
import { type PostgresPool, quotedTable } from "./postgres-pool.ts";
import { parseJson } from "./reloading-file.ts";
import { type RememberOptions, rememberedRows } from "./remembered-rows.ts";

export { createApiKeyTable } from "./create-api-key-table.ts";
export type { PostgresPool } from "./postgres-pool.ts";
export { type PublishApiKeysOptions, type PublishedApiKeys, publishApiKeys } from "./publish-api-keys.ts";
export type { RememberOptions } from "./remembered-rows.ts";

/** Where the API keys are, and how long they are remembered. */
export interface ApiKeyTableOptions extends RememberOptions {
  /** A pool of `pg`, whose connections may read the table. */
  readonly pool: PostgresPool;
  /** The table, `name` or `schema.name`. @defaultValue `"api_keys"` */
  readonly table?: string;
}

/**
 * Finds API keys in a table of PostgreSQL, which holds them as SHA-256 only: a row has what an entry of the file has.
 * `createApiKeyTable` makes the table, `publishApiKeys` puts a file into it.
 *
 * The database is not asked for every call. What is revoked there ends within `maxAgeMs`; a database that does not answer is
 * served through for as long, and then calls with these keys are `UNAVAILABLE`.
 *
 * @param options - the table, and the times
 * @throws TypeError when an option makes no sense
 * @example
 * ```ts
 * import { apiKey } from "@zero-trust/auth/server";
 * import { apiKeyTable, type PostgresPool } from "@zero-trust/auth/stores/postgres";
 *
 * declare const pool: PostgresPool; // new Pool({ … }) of pg
 * const keys = apiKeyTable({ pool, onError: (error) => console.error(error.message) });
 * const verifier = apiKey({ keys, audience: "https://payment.production.internal" });
 * ```
 */
export function apiKeyTable(options: ApiKeyTableOptions): ApiKeySource {
  const { pool, table = "api_keys", ...remember } = options;
  const sql = `select id, record::text as record from ${quotedTable(table)} where id = any($1::text[])`;
  const find = rememberedRows(remember, {
    what: "API keys",
    async query(ids) {
      const { rows } = await pool.query(sql, [ids]);
      return new Map(
        rows.map((row) => {
          const { id, record } = textsIn(row);
          return [id, orError(() => parseApiKeyRecord(parseJson(Buffer.from(record)), `the row of ${id}`))];
        }),
      );
    },
  });
  return { find };
}

/** What a row may be no good for is said of the row alone: the others are. */
function orError<T>(parse: () => T): T | Error {
  try {
    return parse();
  } catch (error) {
    return error instanceof Error ? error : new Error("a row that cannot be read");
  }
}

function textsIn(row: unknown): { readonly id: string; readonly record: string } {
  const shape = object(row, "a row");
  onlyKeys(shape, ["id", "record"], "a row");
  return { id: text(shape, "id", "a row"), record: text(shape, "record", "a row") };
}
