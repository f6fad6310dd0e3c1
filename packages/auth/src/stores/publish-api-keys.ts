import { parseApiKeys } from "../api-key/records.ts";
import { list, object, text } from "../json-shape.ts";
import { type PostgresPool, quotedTable } from "./postgres-pool.ts";

/** What is published, and where. */
export interface PublishApiKeysOptions {
  /** A pool, or a connection, that may write the table. */
  readonly pool: PostgresPool;
  /** What an API key file has, parsed: `{"keys": […]}`. */
  readonly file: unknown;
  /** The table, `name` or `schema.name`, that `createApiKeyTable` has made. @defaultValue `"api_keys"` */
  readonly table?: string;
  /** When what is missing in the file is revoked, in milliseconds since 1970. @defaultValue `Date.now()` */
  readonly nowMs?: number;
}

/** The ids of the keys that were not as they are now. */
export interface PublishedApiKeys {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly revoked: readonly string[];
}

/**
 * Makes a table of API keys say what a file says, in one statement, so that nobody sees a part of it. A key that is not in
 * the file is revoked and stays in the table.
 *
 * @param options - the file and the table
 * @throws JsonShapeError or SpiffeIdError when no service would take the file; what the pool throws
 * @example
 * ```ts
 * import { readFileSync } from "node:fs";
 * import { type PostgresPool, publishApiKeys } from "@zero-trust/auth/stores/postgres";
 *
 * declare const pool: PostgresPool;
 * const file: unknown = JSON.parse(readFileSync("api-keys.json", "utf8"));
 * const { added, changed, revoked } = await publishApiKeys({ pool, file });
 * ```
 */
export async function publishApiKeys(options: PublishApiKeysOptions): Promise<PublishedApiKeys> {
  const { pool, file, table = "api_keys", nowMs = Date.now() } = options;
  const name = quotedTable(table);
  parseApiKeys(file);
  const entries = list(object(file, "the API key file"), "keys", "the API key file");
  const { rows } = await pool.query(publishSql(name), [JSON.stringify(entries), new Date(nowMs).toISOString()]);
  const ids = (what: string) =>
    rows
      .map((row) => object(row, "the answer"))
      .filter((row) => row["what"] === what)
      .map((row) => text(row, "id", "the answer"));
  return { added: ids("added"), changed: ids("changed"), revoked: ids("revoked") };
}

/** Times are compared as texts, which is how they stand there: all are UTC. */
function publishSql(name: string): string {
  return `with given as (
    select entry ->> 'id' as id, entry as record from jsonb_array_elements($1::jsonb) as entry
  ), revoked as (
    update ${name} as kept set record = kept.record || jsonb_build_object('revokedAt', $2::text)
    where coalesce(kept.record ->> 'revokedAt', '~') collate "C" > $2::text
      and not exists (select from given where given.id = kept.id)
    returning kept.id
  ), written as (
    insert into ${name} as kept (id, record) select id, record from given
    on conflict (id) do update set record = excluded.record where kept.record is distinct from excluded.record
    returning kept.id, kept.xmax = 0 as is_new
  )
  select id, 'revoked' as what from revoked
  union all select id, case when is_new then 'added' else 'changed' end from written`;
}
