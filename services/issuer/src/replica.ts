import { randomUUID } from "node:crypto";
import type { KeyStore, PublishedKey, RecordedKey, ReplicaRecord } from "./key-store.ts";

/** This process, among those that use the database. */
export interface Replica {
  /** Its name in the database. */
  readonly id: string;
  /** A round: says which keys are published here, and hears of all keys that any replica publishes. */
  keepUp(keys: readonly OwnKey[]): Promise<readonly RecordedKey[]>;
  /** The clock to forget by: no later than that of any replica, for which what is forgotten may not have ended. */
  now(): number;
  /** Says that it is gone, so that no other waits for it. */
  leave(): Promise<void>;
}

/** A key that is published here, and since when, in the time that `monotonicMs` tells. */
export interface OwnKey extends PublishedKey {
  readonly sinceMs: number;
}

/** What a replica goes by. */
export interface ReplicaOptions {
  readonly store: KeyStore;
  /** Whether the database is of this process alone: whoever else is in it was killed. */
  readonly isAlone: boolean;
  /** How long all replicas have to publish a key before it signs. */
  readonly leadMs: number;
  /** A replica that says nothing for so long is gone. It must not give out tokens any more by then, which is for its upkeep to see to. */
  readonly goneMs: number;
  /** Its own clock to forget by. */
  readonly now: () => number;
  /** Milliseconds that go by whatever becomes of the clock. */
  readonly monotonicMs: () => number;
}

/** What was heard of another replica, and when. */
interface Heard {
  readonly beat: number;
  readonly atMs: number;
  readonly clockMs: number;
  /** The keys that it publishes, and since when. */
  readonly keys: ReadonlyMap<string, number>;
}

/** Makes this process a replica. It is known to the others from its first round on. */
export function createReplica(options: ReplicaOptions): Replica {
  const { store, isAlone, leadMs, goneMs, now, monotonicMs } = options;
  const id = randomUUID();
  let beat = 0;
  let there: ReadonlyMap<string, Heard> = new Map();
  /** Whoever has fetched the keys from one of these goes by them for a while yet. */
  let left: ReadonlyMap<string, Heard> = new Map();

  return {
    id,
    async keepUp(keys) {
      const nowMs = monotonicMs();
      const readyMs = nowMs - leadMs;
      const own = new Map(keys.map(({ point, sinceMs }) => [point, sinceMs]));
      beat += 1;
      let next = { there, left };
      const said = { replica: id, beat, clockMs: Math.floor(now()), keys };
      const recorded = await store.keepUp(said, (others) => {
        const before = new Map([...left, ...there]);
        const all = others.map((other) => [other.replica, hear(before.get(other.replica), other, nowMs)] as const);
        const isThere = ({ atMs }: Heard) => !isAlone && nowMs - atMs <= goneMs;
        const nowThere = new Map(all.filter(([, other]) => isThere(other)));
        const nowLeft = new Map([...before].filter(([replica, { atMs }]) => !nowThere.has(replica) && atMs > readyMs));
        next = { there: nowThere, left: nowLeft };
        const since = (point: string) => [
          own.get(point) ?? nowMs,
          ...[...nowThere.values()].map((other) => other.keys.get(point) ?? nowMs),
          ...[...nowLeft.values()].map((other) => other.keys.get(point) ?? other.atMs),
        ];
        return {
          gone: new Set(others.map(({ replica }) => replica).filter((replica) => !nowThere.has(replica))),
          isReady: (point) => since(point).every((ms) => ms <= readyMs),
        };
      });
      ({ there, left } = next);
      return recorded;
    },
    now() {
      const nowMs = monotonicMs();
      return Math.min(now(), ...[...there.values()].map(({ clockMs, atMs }) => clockMs + nowMs - atMs));
    },
    leave: () => store.leave(id),
  };
}

/** By our own clock, since theirs may be wrong: a replica is there as long as it says something new. */
function hear(before: Heard | undefined, said: ReplicaRecord, nowMs: number): Heard {
  if (before?.beat === said.beat) return before;
  const { beat, clockMs } = said;
  const keys = new Map([...said.keys].map((point) => [point, before?.keys.get(point) ?? nowMs]));
  return { beat, atMs: nowMs, clockMs, keys };
}
