import { serializable } from "@zero-trust/database";
import type { Kysely, Transaction } from "kysely";
import type { IssuerSchema } from "./migrations.ts";

/** A key that is published, since when, and until when what it signed is good at most (Unix seconds; 0: it has not signed). */
export interface PublishedKey {
  readonly kid: string;
  /** Tells it from another key of the same name. */
  readonly point: string;
  readonly publishedAtMs: number;
  readonly lastTokenExp: number;
}

/** A published key, and whether all replicas have published it for so long that it may sign. */
export interface RecordedKey extends PublishedKey {
  readonly isReady: boolean;
}

/** What a replica has said of itself in its last round. */
export interface ReplicaRecord {
  readonly replica: string;
  readonly beat: number;
  readonly clockMs: number;
  /** The points of the keys that it publishes. */
  readonly keys: ReadonlySet<string>;
}

/** What a replica makes of what the others have said. */
export interface ReplicaView {
  /** Those that are gone without a word. */
  readonly gone: ReadonlySet<string>;
  /** Whether a key that all publish has been published by all for long enough. */
  readonly isReady: (point: string) => boolean;
}

/** Which keys the replicas publish, and what they have signed; each change is on the disk when it resolves. */
export class KeyStore {
  readonly #db: Kysely<IssuerSchema>;

  constructor(db: Kysely<IssuerSchema>) {
    this.#db = db;
  }

  async publishedKeys(): Promise<readonly RecordedKey[]> {
    return await recordedKeys(this.#db);
  }

  /**
   * A round of a replica: says that it is there and which keys it publishes, and decides with what the others have said which
   * keys are ready. As if no other replica had its round at the same time: so no key is ready that one does not publish.
   *
   * @param view - may be asked again, of what others have said meanwhile
   * @returns the keys that any of them publishes
   */
  async keepUp(
    own: Omit<ReplicaRecord, "keys"> & { readonly keys: readonly PublishedKey[] },
    view: (others: readonly ReplicaRecord[]) => ReplicaView,
  ): Promise<readonly RecordedKey[]> {
    const { replica, keys } = own;
    const points = new Set(keys.map(({ point }) => point));
    return await serializable(this.#db, async (trx) => {
      const others = (await replicaRecords(trx)).filter((other) => other.replica !== replica);
      const { gone, isReady } = view(others);
      for (const other of gone) await trx.deleteFrom("replicas").where("replica", "=", other).execute();
      await writeReplica(trx, { ...own, keys: points });
      const publishers = [points, ...others.filter((other) => !gone.has(other.replica)).map((other) => other.keys)];
      const recorded = await recordPublished(trx, keys, (point) =>
        publishers.some((published) => published.has(point)),
      );
      for (const [point, key] of recorded) {
        const isEverywhere = publishers.every((published) => published.has(point));
        const change = { isReady: isEverywhere && (key.isReady || isReady(point)) };
        if (change.isReady === key.isReady) continue;
        const set = { is_ready: change.isReady ? 1n : 0n };
        await trx.updateTable("published_keys").set(set).where("point", "=", point).execute();
        recorded.set(point, { ...key, ...change });
      }
      return [...recorded.values()];
    });
  }

  /** Says that a replica is there no more; what it published is looked at by the next that has its round. */
  async leave(replica: string): Promise<void> {
    await this.#db.deleteFrom("replicas").where("replica", "=", replica).execute();
  }

  /** Writes down until when what a key signed is good. */
  async signedUntil(key: PublishedKey): Promise<void> {
    await writeKey(this.#db, key);
  }
}

async function writeReplica(trx: Transaction<IssuerSchema>, record: ReplicaRecord): Promise<void> {
  const { replica, beat, clockMs, keys } = record;
  const said = { beat: BigInt(beat), clock_ms: BigInt(clockMs), keys: JSON.stringify([...keys]) };
  await trx
    .insertInto("replicas")
    .values({ replica, ...said })
    .onConflict((conflict) => conflict.column("replica").doUpdateSet(said))
    .execute();
}

/** Writes some keys down, forgets those that nobody publishes any more, and gives all that are left, by point. */
async function recordPublished(
  trx: Transaction<IssuerSchema>,
  keys: readonly PublishedKey[],
  isPublished: (point: string) => boolean,
): Promise<Map<string, RecordedKey>> {
  const recorded = new Map((await recordedKeys(trx)).map((key) => [key.point, key]));
  for (const point of recorded.keys()) {
    if (isPublished(point)) continue;
    await trx.deleteFrom("published_keys").where("point", "=", point).execute();
    recorded.delete(point);
  }
  for (const key of keys) {
    const { kid, point, publishedAtMs, lastTokenExp } = key;
    const before = recorded.get(point);
    if (before !== undefined && before.lastTokenExp >= lastTokenExp) continue;
    await writeKey(trx, key);
    recorded.set(point, { kid, point, publishedAtMs, isReady: false, ...before, lastTokenExp });
  }
  return recorded;
}

/** What is known of the end of a key's last token only grows. */
async function writeKey(db: Kysely<IssuerSchema>, key: PublishedKey): Promise<void> {
  const { point, kid, publishedAtMs, lastTokenExp } = key;
  await db
    .insertInto("published_keys")
    .values({
      point,
      kid,
      published_at_ms: BigInt(publishedAtMs),
      last_token_exp: BigInt(lastTokenExp),
      is_ready: 0n,
    })
    .onConflict((conflict) =>
      conflict
        .column("point")
        .doUpdateSet((of) => ({ last_token_exp: of.ref("excluded.last_token_exp") }))
        .whereRef("published_keys.last_token_exp", "<", "excluded.last_token_exp"),
    )
    .execute();
}

async function recordedKeys(db: Kysely<IssuerSchema>): Promise<readonly RecordedKey[]> {
  const rows = await db.selectFrom("published_keys").selectAll().execute();
  return rows.map(({ kid, point, published_at_ms, last_token_exp, is_ready }) => ({
    kid,
    point,
    publishedAtMs: Number(published_at_ms),
    lastTokenExp: Number(last_token_exp),
    isReady: is_ready === 1n,
  }));
}

async function replicaRecords(trx: Transaction<IssuerSchema>): Promise<readonly ReplicaRecord[]> {
  const rows = await trx.selectFrom("replicas").selectAll().execute();
  return rows.map(({ replica, beat, clock_ms, keys }) => ({
    replica,
    beat: Number(beat),
    clockMs: Number(clock_ms),
    keys: new Set(JSON.parse(keys) as readonly string[]),
  }));
}
