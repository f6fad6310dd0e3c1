import { isDatabaseReady } from "@zero-trust/database";
import { type Log, recordLog } from "@zero-trust/server";
import type { Kysely } from "kysely";
import { type Clients, isActive } from "./clients.ts";
import type { KeyRing } from "./key-ring.ts";
import { toSeconds } from "./lifetimes.ts";
import type { IssuerSchema } from "./migrations.ts";
import type { ReloadedFile } from "./reloaded-file.ts";
import type { Replica } from "./replica.ts";
import type { IssuerStore } from "./store.ts";

/** A database that has not been written for so many rounds hangs, and a replica that has not written for so many is gone. */
export const MAX_MISSED_ROUNDS = 5;

/** What brings files and database together, round after round. */
export interface Upkeep {
  /** One round, now: looks at the files, writes down what follows from them, forgets what has ended. */
  readonly refresh: () => Promise<void>;
  /** Whether the database can be used and has what follows from the files. */
  readonly isCurrent: () => boolean;
  /** Resolves when the last round has ended. */
  readonly close: () => Promise<void>;
}

/** What upkeep is about. */
export interface UpkeepOptions {
  readonly files: readonly Pick<ReloadedFile<unknown>, "reload">[];
  readonly clients: ReloadedFile<Clients>;
  readonly keys: KeyRing;
  readonly replica: Replica;
  readonly db: Kysely<IssuerSchema>;
  readonly store: IssuerStore;
  readonly log: Log;
  readonly refreshMs: number;
  readonly now: () => number;
}

/** Starts upkeep after a first round; rejects when that fails, and later tries again until it does not. */
export async function startUpkeep(options: UpkeepOptions): Promise<Upkeep> {
  const { files, clients, keys, replica, db, store, log, refreshMs, now } = options;
  const tokenLog = recordLog(log, "token");
  let complaint: string | undefined;
  let writing: Promise<void> | undefined;
  let writtenMs = performance.now();

  function look(): void {
    for (const file of files) file.reload();
  }

  async function write(): Promise<void> {
    // From the start of the round, so that this one knows no later than the others that it is gone.
    const startedMs = performance.now();
    await isDatabaseReady(db);
    await keys.record();
    const nowMs = now();
    const holders = new Map(
      [...clients.current().values()].map((client) => [
        client.clientId,
        isActive(client, nowMs) ? client.spiffeId : "",
      ]),
    );
    for (const client of await store.followClients(replica.id, holders, toSeconds(nowMs)))
      tokenLog.info({ outcome: "revoked", client, before: toSeconds(nowMs) }, "all tokens of a client");
    await store.forgetExpired(toSeconds(replica.now()));
    writtenMs = startedMs;
  }

  async function tryToWrite(): Promise<void> {
    try {
      await write();
      complaint = undefined;
    } catch (err) {
      const { message } = err as Error;
      if (message !== complaint) log.error({ err }, "the database cannot be used");
      complaint = message;
    }
  }

  await write();
  const timer = setInterval(() => {
    look();
    // One that hangs is not joined by others.
    writing ??= tryToWrite().finally(() => {
      writing = undefined;
    });
  }, refreshMs).unref();
  return {
    async refresh() {
      look();
      await tryToWrite();
    },
    isCurrent: () => complaint === undefined && performance.now() - writtenMs < MAX_MISSED_ROUNDS * refreshMs,
    async close() {
      clearInterval(timer);
      await writing;
    },
  };
}
