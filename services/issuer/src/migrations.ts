import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";

/** The tables of the issuer as the newest migration leaves them; times are Unix seconds unless their name says otherwise. */
export interface IssuerSchema {
  readonly revoked_tokens: RevokedTokenTable;
  readonly revoked_clients: RevokedClientTable;
  readonly used_assertions: UsedAssertionTable;
  readonly replicas: ReplicaTable;
  readonly client_holders: ClientHolderTable;
  readonly published_keys: PublishedKeyTable;
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

/** A process that uses the database, or has until it was killed. */
export interface ReplicaTable {
  readonly replica: string;
  /** Another number in each round. */
  readonly beat: bigint;
  /** What its clock said then. */
  readonly clock_ms: bigint;
  /** The points of the keys that it publishes, in JSON. */
  readonly keys: string;
}

/** The clients file as a replica has last acted upon it; `holder` is the workload that may have tokens, "" for none. */
export interface ClientHolderTable {
  readonly replica: string;
  readonly client: string;
  readonly holder: string;
}

/** A key that some replica publishes; `last_token_exp` is 0 until it has signed, and no earlier than its last token's end. */
export interface PublishedKeyTable {
  /** Tells it from another key of the same name. */
  readonly point: string;
  readonly kid: string;
  readonly published_at_ms: bigint;
  readonly last_token_exp: bigint;
  /** 1 while all replicas publish it and have done so for the lead. */
  readonly is_ready: bigint;
}

/** Every schema change there ever was; what has been released is never edited. */
export const migrations: Readonly<Record<string, Migration>> = {
  "0001_revocations": { up: revocations },
  "0002_replicas": { up: replicas },
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

async function replicas(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable("replicas")
    .addColumn("replica", "text", (column) => column.primaryKey())
    .addColumn("beat", "bigint", (column) => column.notNull())
    .addColumn("clock_ms", "bigint", (column) => column.notNull())
    .addColumn("keys", "text", (column) => column.notNull())
    .execute();
  await db.schema
    .createTable("client_holders")
    .addColumn("replica", "text", (column) => column.notNull())
    .addColumn("client", "text", (column) => column.notNull())
    .addColumn("holder", "text", (column) => column.notNull())
    .addPrimaryKeyConstraint("client_holders_by_replica", ["replica", "client"])
    .execute();
  await db.schema
    .createTable("published_keys")
    .addColumn("point", "text", (column) => column.primaryKey())
    .addColumn("kid", "text", (column) => column.notNull())
    .addColumn("published_at_ms", "bigint", (column) => column.notNull())
    .addColumn("last_token_exp", "bigint", (column) => column.notNull())
    .addColumn("is_ready", "bigint", (column) => column.notNull())
    .execute();
  // What the one process knew that there was is what a replica knew that is gone. A key that had signed was ready.
  await sql`insert into client_holders (replica, client, holder) select '', client, holder from clients`.execute(db);
  await sql`insert into published_keys (point, kid, published_at_ms, last_token_exp, is_ready)
    select point, kid, published_at_ms, last_token_exp, case when last_token_exp > 0 then 1 else 0 end
    from signing_keys`.execute(db);
  for (const table of ["clients", "signing_keys"]) await db.schema.dropTable(table).execute();
}
