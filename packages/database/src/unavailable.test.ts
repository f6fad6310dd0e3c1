import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startPostgres } from "@zero-trust/testkit/servers";
import { sql } from "kysely";
import { expect, onTestFinished, test, vi } from "vitest";
import { reach } from "../test/postgres-database.ts";
import { isDatabaseReady, openDatabase } from "./database.ts";
import { DatabaseError, DatabaseUnavailableError } from "./database-error.ts";
import { isDatabaseUnavailable } from "./unavailable.ts";

const failure = async (work: Promise<unknown>) => await work.then(() => "it worked").catch((error: unknown) => error);

test("tells a server that cannot be asked from a statement that is wrong", async () => {
  await using server = await startPostgres();
  const options = { ...reach(server), statementTimeoutMs: 1_000 };
  const db = await openDatabase<unknown>({ postgres: options, migrations: {} });
  onTestFinished(() => db.destroy());

  const wrong = await failure(sql`select from where`.execute(db));
  expect(isDatabaseUnavailable(wrong)).toBe(false);
  const unique = await failure(sql`insert into kysely_migration_lock select * from kysely_migration_lock`.execute(db));
  expect(unique).toMatchObject({ code: "23505" });
  expect(isDatabaseUnavailable(unique)).toBe(false);

  const ended = sql`select pg_terminate_backend(pg_backend_pid())`.execute(db);
  expect(isDatabaseUnavailable(await failure(ended))).toBe(true);
  const slow = sql`select pg_sleep(10)`.execute(db);
  expect(isDatabaseUnavailable(await failure(slow))).toBe(true);

  const reading = sql`set transaction read only`;
  const writing = db.transaction().execute(async (transaction) => {
    await reading.execute(transaction);
    await sql`create table theirs (a int)`.execute(transaction);
  });
  expect(isDatabaseUnavailable(await failure(writing))).toBe(true);

  const inTheMiddle = db.transaction().execute(async (transaction) => {
    await sql`select 1`.execute(transaction);
    await server.stop("SIGQUIT");
    await sql`select 1`.execute(transaction);
  });
  expect(isDatabaseUnavailable(await failure(inTheMiddle))).toBe(true);
  expect(isDatabaseUnavailable(await failure(sql`select 1`.execute(db)))).toBe(true);
  await server.start();
  await vi.waitFor(async () => expect(await isDatabaseReady(db)).toBe(true), { timeout: 10_000 });
});

test("tells a file that is locked from a statement that is wrong", async () => {
  const folder = mkdtempSync(join(tmpdir(), "unavailable-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "test.db");
  const db = await openDatabase<unknown>({ file, migrations: {} });
  onTestFinished(() => db.destroy());
  expect(isDatabaseUnavailable(await failure(sql`select from where`.execute(db)))).toBe(false);
  const other = await openDatabase<unknown>({ file, migrations: {} });
  onTestFinished(() => other.destroy());
  await sql`pragma busy_timeout = 1`.execute(db);
  await other.transaction().execute(async (transaction) => {
    await sql`insert into kysely_migration values ('x', 'y')`.execute(transaction);
    const blocked = await failure(sql`insert into kysely_migration values ('z', 'y')`.execute(db));
    expect(isDatabaseUnavailable(blocked)).toBe(true);
  });
});

test("tells a disk that is full from a statement that is wrong, in a transaction too, and goes on when there is room", async () => {
  const folder = mkdtempSync(join(tmpdir(), "unavailable-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const db = await openDatabase<unknown>({ file: join(folder, "test.db"), migrations: {} });
  onTestFinished(() => db.destroy());
  await sql`create table notes (note text)`.execute(db);
  const write = () =>
    db.transaction().execute(async (transaction) => {
      await sql`insert into notes values ('small')`.execute(transaction);
      await sql`insert into notes values (${"large".repeat(10_000)})`.execute(transaction);
    });
  // No more pages than there are.
  await sql`pragma max_page_count = 1`.execute(db);
  expect(isDatabaseUnavailable(await failure(write()))).toBe(true);
  await sql`pragma max_page_count = 1000000`.execute(db);
  await write();
  expect((await sql`select count(*) as count from notes`.execute(db)).rows).toEqual([{ count: 2n }]);
});

test("tells what the operator has to repair from what passes", () => {
  expect(isDatabaseUnavailable(new DatabaseUnavailableError("away"))).toBe(true);
  expect(isDatabaseUnavailable(new DatabaseError("of a newer schema"))).toBe(false);
  expect(isDatabaseUnavailable(new TypeError("a mistake"))).toBe(false);
  expect(isDatabaseUnavailable("57P01")).toBe(false);
  expect(isDatabaseUnavailable(Object.assign(new Error("No space left on device"), { code: "53100" }))).toBe(true);
});
