import { type PostgresServer, startPostgres } from "@zero-trust/testkit/servers";
import { type Kysely, sql } from "kysely";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { reach } from "../test/postgres-database.ts";
import { openDatabase } from "./database.ts";
import { inTurn } from "./in-turn.ts";

let server: PostgresServer;
let db: Kysely<unknown>;
beforeAll(async () => {
  server = await startPostgres();
  db = await openDatabase<unknown>({ postgres: reach(server), migrations: {} });
});
afterAll(async () => {
  await db.destroy();
  await server[Symbol.asyncDispose]();
});

async function waiting(): Promise<bigint | undefined> {
  const { rows } = await sql<{
    count: bigint;
  }>`select count(*) as count from pg_locks where locktype = 'advisory' and not granted`.execute(db);
  return rows[0]?.count;
}

test("whoever is in the same line waits until the one before has committed or given up, and others do not", async () => {
  const done: string[] = [];
  const end = Promise.withResolvers<void>();
  const enter = async (line: string, name: string, until?: Promise<void>) =>
    await db.transaction().execute(async (transaction) => {
      await inTurn(transaction, line);
      await until;
      done.push(name);
    });
  const first = enter("ledger", "first", end.promise);
  await vi.waitFor(async () => {
    const held = await sql`select 1 from pg_locks where locktype = 'advisory' and granted`.execute(db);
    expect(held.rows).toHaveLength(1);
  });
  const second = enter("ledger", "second");
  await vi.waitFor(async () => expect(await waiting()).toBe(1n));
  await enter("orders of storefront", "another line");
  expect(done).toEqual(["another line"]);
  end.resolve();
  await Promise.all([first, second]);
  expect(done).toEqual(["another line", "first", "second"]);
});

test("whose turn does not come in time is told so", async () => {
  const end = Promise.withResolvers<void>();
  const entered = Promise.withResolvers<void>();
  const holding = db.transaction().execute(async (transaction) => {
    await inTurn(transaction, "ledger");
    entered.resolve();
    await end.promise;
  });
  await entered.promise;
  const late = db.transaction().execute(async (transaction) => {
    await sql`set local lock_timeout = 50`.execute(transaction);
    await inTurn(transaction, "ledger");
  });
  await expect(late).rejects.toMatchObject({ code: "55P03" });
  end.resolve();
  await holding;
});
