import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { Kysely, SqliteAdapter, SqliteDialect, sql, type Transaction } from "kysely";
import { afterEach, beforeEach, expect, test } from "vitest";
import { GroupedCommits } from "./grouped-commits.ts";

interface Schema {
  readonly seats: { readonly seat: number };
}

let folder: string;
let sqlite: Sqlite.Database;
let other: Sqlite.Database;
let db: Kysely<Schema>;
/** What was run to begin and end transactions. */
let marks: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "grouped-"));
  const file = join(folder, "test.db");
  marks = [];
  sqlite = new Sqlite(file, {
    verbose: (text) =>
      void (/^(?:begin|commit|rollback|release one_of_group)$/u.test(String(text)) && marks.push(String(text))),
  });
  sqlite.pragma("journal_mode = WAL");
  sqlite.exec("create table seats (seat integer primary key)");
  other = new Sqlite(file);
  db = new Kysely<Schema>({
    dialect: new (class extends SqliteDialect {
      override createAdapter() {
        return new (class extends SqliteAdapter {
          override get supportsMultipleConnections() {
            return true;
          }
        })();
      }
      override createDriver() {
        return new GroupedCommits(sqlite);
      }
    })({ database: sqlite }),
  });
});
afterEach(async () => {
  await db.destroy();
  other.close();
  rmSync(folder, { recursive: true });
});

const take = (seat: number, then: (trx: Transaction<Schema>) => unknown = () => undefined) =>
  db.transaction().execute(async (trx) => {
    await trx.insertInto("seats").values({ seat }).execute();
    await then(trx);
    return seat;
  });
/** What anybody else can see. */
const committed = () =>
  other
    .prepare<[], { seat: number }>("select seat from seats")
    .all()
    .map(({ seat }) => seat);
const seen = async () => (await db.selectFrom("seats").selectAll().execute()).map(({ seat }) => seat);
const outcomes = (all: readonly Promise<unknown>[]) =>
  Promise.allSettled(all).then((each) => each.map((one) => one.status));

test("transactions of one turn wait for the disk once, and each is acknowledged when it is committed", async () => {
  const seenThen = Array.from({ length: 50 }, (_, seat) => take(seat).then(() => committed().length));
  expect(await Promise.all(seenThen)).toEqual(Array.from({ length: 50 }, () => 50));
  expect(marks.filter((mark) => !mark.startsWith("release"))).toEqual(["begin", "commit"]);
});

test("a crowd is committed a hundred at a time", async () => {
  await Promise.all(Array.from({ length: 250 }, (_, seat) => take(seat)));
  expect(committed()).toHaveLength(250);
  expect(marks.filter((mark) => mark === "commit")).toHaveLength(3);
});

test("one that fails takes back what it did, and nothing of the others", async () => {
  const failing = take(2, () => {
    throw new Error("taken back");
  });
  expect(await outcomes([take(1), failing, take(3)])).toEqual(["fulfilled", "rejected", "fulfilled"]);
  await expect(failing).rejects.toThrow("taken back");
  expect(committed()).toEqual([1, 3]);
});

test("one that fails for what another has done is not told before that is committed", async () => {
  const first = take(1);
  const second = take(1).catch(() => committed());
  expect(await second).toEqual([1]);
  await first;
});

test("one that fails alone leaves nothing open", async () => {
  await expect(take(1, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  expect(sqlite.inTransaction).toBe(false);
  expect(committed()).toEqual([]);
});

test("a query of its own sees, and is seen, only when it is committed", async () => {
  const taking = take(1);
  const reading = seen();
  const writing = db.insertInto("seats").values({ seat: 2 }).execute();
  expect(await reading).toEqual([1]);
  expect(committed()).toEqual([1, 2]);
  await Promise.all([taking, writing]);
});

test("while a transaction waits for something else, nobody else is in it, and the others are committed after it", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const order: string[] = [];
  const slow = take(1, () => promise).then(() => order.push("slow"));
  const quick = take(2).then(() => order.push("quick"));
  const reading = seen().then((seats) => order.push(`read ${seats.join(" ")}`));
  await new Promise(setImmediate);
  expect(order).toEqual([]);
  resolve();
  await Promise.all([slow, quick, reading]);
  expect(committed()).toEqual([1, 2]);
  expect(order.at(-1)).toBe("read 1 2");
});

test("when the commit fails, all of its transactions have failed, and nothing of them is left", async () => {
  sqlite.exec("create table seated (seat references seats (seat) deferrable initially deferred)");
  sqlite.pragma("foreign_keys = ON");
  const all = [take(1), take(2, (trx) => sql`insert into seated values (99)`.execute(trx)), take(3)];
  expect(await outcomes(all)).toEqual(["rejected", "rejected", "rejected"]);
  await expect(all[0]).rejects.toThrow("FOREIGN KEY constraint failed");
  expect(committed()).toEqual([]);
  expect(await take(4)).toBe(4);
  expect(committed()).toEqual([4]);
});

test("when SQLite rolls back by itself, those that wait for the commit have failed too", async () => {
  const first = take(1);
  // As where the disk is full.
  const second = take(2, (trx) => sql`insert or rollback into seats values (1)`.execute(trx));
  expect(await outcomes([first, second, take(3)])).toEqual(["rejected", "rejected", "fulfilled"]);
  expect(committed()).toEqual([3]);
});

test("those whose transaction SQLite has rolled back unheard are not acknowledged with the next ones", async () => {
  const first = take(1);
  while (!marks.includes("release one_of_group")) await Promise.resolve();
  sqlite.exec("rollback");
  expect(await outcomes([first, take(2)])).toEqual(["rejected", "fulfilled"]);
  expect(committed()).toEqual([2]);
});

test("a transaction that goes on after SQLite has rolled it back writes nothing", async () => {
  const going = take(1, async (trx) => {
    await sql`insert or rollback into seats values (1)`.execute(trx).catch(() => undefined);
    await trx.insertInto("seats").values({ seat: 5 }).execute();
  });
  await expect(going).rejects.toThrow("The transaction was rolled back.");
  expect(committed()).toEqual([]);
});

test("closing commits what has ended", async () => {
  const taking = take(1);
  while (marks.length === 0) await Promise.resolve();
  await db.destroy();
  await taking;
  expect(committed()).toEqual([1]);
});
