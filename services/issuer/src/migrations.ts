import type { Kysely } from "kysely";
import type { Migration } from "kysely/migration";

/** The tables of the issuer as the newest migration leaves them; times are Unix seconds unless their name says otherwise. */
export interface IssuerSchema {
  readonly revoked_tokens: RevokedTokenTable;
  readonly revoked_clients: RevokedClientTable;
  readonly used_assertions: UsedAssertionTable;
  readonly clients: ClientTable;
  readonly signing_keys: SigningKeyTable;
}

/** A token that was revoked by its client. */
export interface RevokedTokenTable {
  readonly jti: string;
  readonly client: string;
  readonly expires_at: bigint;
}

/** A client whose tokens of until then are revoked, all of them. */
export interface RevokedClientTable {
  readonly client: string;
  readonly issued_until: bigint;
}

/** A client assertion that has been shown, and is good no more. */
export interface UsedAssertionTable {
  readonly client: string;
  readonly jti: string;
  readonly expires_at: bigint;
}

/** The clients file as it was last acted upon; `holder` is the workload that may have tokens, "" for none. */
export interface ClientTable {
  readonly client: string;
  readonly holder: string;
}

/** A key that is published; `last_token_exp` is 0 until it has signed, and no earlier than its last token's end. */
export interface SigningKeyTable {
  readonly kid: string;
  /** Tells it from another key of the same name. */
  readonly point: string;
  readonly published_at_ms: bigint;
  readonly last_token_exp: bigint;
}

/** Every schema change there ever was; what has been released is never edited. */
export const migrations: Readonly<Record<string, Migration>> = {
  "0001_revocations": { up: revocations },
};

async function revocations(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("revoked_tokens")
    .addColumn("jti", "text", (column) => column.primaryKey())
    .addColumn("client", "text", (column) => column.notNull())
    .addColumn("expires_at", "bigint", (column) => column.notNull())
    .execute();
  await db.schema
    .createTable("revoked_clients")
    .addColumn("client", "text", (column) => column.primaryKey())
    .addColumn("issued_until", "bigint", (column) => column.notNull())
    .execute();
  await db.schema
    .createTable("used_assertions")
    .addColumn("client", "text", (column) => column.notNull())
    .addColumn("jti", "text", (column) => column.notNull())
    .addColumn("expires_at", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("used_assertions_by_client", ["client", "jti"])
    .execute();
  await db.schema
    .createTable("clients")
    .addColumn("client", "text", (column) => column.primaryKey())
    .addColumn("holder", "text", (column) => column.notNull())
    .execute();
  await db.schema
    .createTable("signing_keys")
    .addColumn("kid", "text", (column) => column.primaryKey())
    .addColumn("point", "text", (column) => column.notNull())
    .addColumn("published_at_ms", "bigint", (column) => column.notNull())
    .addColumn("last_token_exp", "bigint", (column) => column.notNull())
    .execute();
  for (const table of ["revoked_tokens", "used_assertions"])
    await db.schema.createIndex(`${table}_by_end`).on(table).column("expires_at").execute();
}
