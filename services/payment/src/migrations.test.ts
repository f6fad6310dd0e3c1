import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDatabase } from "@zero-trust/database";
import { sql } from "kysely";
import { expect, onTestFinished, test } from "vitest";
import { migrations } from "./migrations.ts";

test("what was released makes the tables of a file as it did then, byte for byte", async () => {
  const folder = mkdtempSync(join(tmpdir(), "migrations-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const [name = "", first] = Object.entries(migrations)[0] ?? [];
  if (first === undefined) throw new Error("There are no migrations.");
  const db = await openDatabase<unknown>({ file: join(folder, "test.db"), migrations: { [name]: first } });
  onTestFinished(() => db.destroy());
  const { rows } = await sql<{
    sql: string;
  }>`select sql from sqlite_schema where sql is not null order by name`.execute(db);
  const made = createHash("sha256").update(rows.map((row) => row.sql).join("\n"));
  expect(`${name} ${made.digest("hex")}`).toBe(
    "0001_payments 30eb4daa55f675ab68e1600d600f38d7b41face368ed94d467e744333d9c8d2e",
  );
});
