import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DatabaseError, isDatabaseReady, openDatabase } from "./index.ts";

interface Schema {
  readonly amounts: { readonly minor_units: bigint };
}

const first: Record<string, Migration> = {
  "0001_amounts": {
    async up(db: Kysely<unknown>) {
      await db.schema.createTable("amounts").addColumn("minor_units", "bigint").execute();
    },
  },
};

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "database-"));
  file = join(folder, "test.db");
});
afterEach(() => rmSync(folder, { recursive: true }));

test("every commit reaches the disk, and references are checked", async () => {
  const db = await openDatabase<Schema>({ file, migrations: first });
  const pragma = async (name: string) =>
    Object.values((await sql<Record<string, unknown>>`pragma ${sql.raw(name)}`.execute(db)).rows[0] ?? {})[0];
  expect(await pragma("journal_mode")).toBe("wal");
  expect(await pragma("synchronous")).toBe(2n);
  expect(await pragma("foreign_keys")).toBe(1n);
  await db.destroy();
});

test("refuses a database of a newer schema and leaves it as it was", async () => {
  const newer = await openDatabase<Schema>({ file, migrations: { ...first, "0002_later": { async up() {} } } });
  await newer.destroy();
  const before = readFileSync(file);
  const opening = openDatabase<Schema>({ file, migrations: first });
  await expect(opening).rejects.toThrow(DatabaseError);
  await expect(opening).rejects.toThrow(
    `The database ${file} has the schema "0002_later", which this version does not know: start the version that wrote it, or a newer one.`,
  );
  expect(readFileSync(file).equals(before)).toBe(true);
});

test("refuses the database of another program and leaves it as it was", async () => {
  const other = new Sqlite(file);
  other.exec("create table theirs (a)");
  other.close();
  const before = readFileSync(file);
  await expect(openDatabase({ file, migrations: first })).rejects.toThrow("was not made by this program");
  expect(readFileSync(file).equals(before)).toBe(true);
});

test("refuses a file that is no database and leaves it as it was", async () => {
  writeFileSync(file, "these are my notes ".repeat(100));
  await expect(openDatabase({ file, migrations: first })).rejects.toThrow(`The database ${file} cannot be read`);
  expect(readFileSync(file, "utf8")).toMatch(/^these are my notes/u);
});

test("names a path that cannot be opened", async () => {
  const path = join(folder, "no-such-folder", "test.db");
  await expect(openDatabase({ file: path, migrations: first })).rejects.toThrow(
    `The database ${path} cannot be opened`,
  );
});

test("is ready while its file is there, and says why when it is gone, and ready again when it is back", async () => {
  const db = await openDatabase<Schema>({ file, migrations: first });
  expect(await isDatabaseReady(db)).toBe(true);
  renameSync(file, `${file}.away`);
  await expect(isDatabaseReady(db)).rejects.toThrow(`The database ${file} is gone`);
  renameSync(`${file}.away`, file);
  expect(await isDatabaseReady(db)).toBe(true);
  await db.destroy();
});

test("is not ready when another file is in its place, though queries are answered", async () => {
  const db = await openDatabase<Schema>({ file, migrations: first });
  renameSync(file, `${file}.away`);
  const other = await openDatabase<Schema>({ file, migrations: first });
  expect(await db.selectFrom("amounts").selectAll().execute()).toEqual([]);
  await expect(isDatabaseReady(db)).rejects.toThrow(`The database ${file} was replaced`);
  await other.destroy();
  await db.destroy();
});

test("is not ready when its file was overwritten, though what it remembers is answered", async () => {
  const db = await openDatabase<Schema>({ file, migrations: first });
  await db.insertInto("amounts").values({ minor_units: 7n }).execute();
  await sql`pragma wal_checkpoint(truncate)`.execute(db);
  expect(await db.selectFrom("amounts").selectAll().execute()).toHaveLength(1);
  writeFileSync(file, "these are my notes ".repeat(1000));
  expect(await db.selectFrom("amounts").selectAll().execute()).toHaveLength(1);
  await expect(isDatabaseReady(db)).rejects.toThrow(/not a database/u);
  await db.destroy();
});

test("does not answer while a transaction holds the database, and is not ready when it is closed", async () => {
  const db = await openDatabase<Schema>({ file, migrations: first });
  let answered = false;
  let asking: Promise<void> | undefined;
  await db.transaction().execute(async (transaction) => {
    await transaction.insertInto("amounts").values({ minor_units: 7n }).execute();
    asking = isDatabaseReady(db).then(() => {
      answered = true;
    });
    // What asking does before it comes to the query takes one of these.
    for (let turn = 0; turn < 20; turn += 1) await stat(file);
    expect(answered).toBe(false);
  });
  await asking;
  await db.destroy();
  await expect(isDatabaseReady(db)).rejects.toThrow("destroyed");
});

test("is asked without ending the locks of this process, by which another would take away its log", async () => {
  const db = await openDatabase<Schema>({ file, migrations: first });
  await isDatabaseReady(db);
  // What the last one to close a database does, and this is not the last.
  const visit = `const db = new (require("node:sqlite").DatabaseSync)(${JSON.stringify(file)}); db.exec("select * from amounts"); db.close()`;
  expect(spawnSync(process.execPath, ["-e", visit], { encoding: "utf8" }).stderr).not.toContain("Error");
  expect(existsSync(`${file}-wal`)).toBe(true);
  await db.destroy();
});
