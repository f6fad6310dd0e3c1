import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type PostgresServer, startPostgres } from "@zero-trust/testkit/servers";
import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { emptyDatabase } from "../test/postgres-database.ts";
import { columnTypes } from "./column-types.ts";
import { type DatabaseLocation, isDatabaseReady, openDatabase } from "./database.ts";
import { DatabaseError } from "./database-error.ts";
import { serializable } from "./serializable.ts";

interface Schema {
  readonly amounts: { readonly account: string; readonly minor_units: bigint; readonly proof: Uint8Array | null };
}

const first: Record<string, Migration> = {
  "0001_amounts": {
    async up(db: Kysely<unknown>) {
      const { bytes, position } = columnTypes(db);
      await db.schema
        .createTable("amounts")
        .addColumn("position", ...position)
        .addColumn("account", "text", (column) => column.notNull())
        .addColumn("minor_units", "bigint", (column) => column.notNull())
        .addColumn("proof", bytes)
        .execute();
    },
  },
};

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server[Symbol.asyncDispose]());

describe.each(["sqlite", "postgres"])("a database of %s", (engine) => {
  let folder: string;
  let place: DatabaseLocation;
  const opened: Kysely<Schema>[] = [];
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "database-"));
    place = engine === "sqlite" ? { file: join(folder, "test.db") } : { postgres: await emptyDatabase(server) };
  });
  afterEach(async () => {
    for (const db of opened.splice(0)) await db.destroy();
    rmSync(folder, { recursive: true });
  });
  const open = async (migrations: Record<string, Migration> = first) => {
    const db = await openDatabase<Schema>({ ...place, migrations });
    opened.push(db);
    return db;
  };

  test("keeps every digit of an amount of 64 bits, and of a count", async () => {
    const db = await open();
    const amounts = [2n ** 63n - 1n, -(2n ** 63n), 2n ** 53n + 1n];
    const inserted = await db
      .insertInto("amounts")
      .values(amounts.map((minor_units) => ({ account: "a", minor_units, proof: null })))
      .executeTakeFirstOrThrow();
    expect(inserted.numInsertedOrUpdatedRows).toBe(3n);
    const rows = await db.selectFrom("amounts").selectAll().execute();
    expect(rows.map((row) => row.minor_units)).toEqual(amounts);
    expect(rows).toMatchObject([{ position: 1n }, { position: 2n }, { position: 3n }]);
    const { count } = await db
      .selectFrom("amounts")
      .select((select) => select.fn.countAll<bigint>().as("count"))
      .executeTakeFirstOrThrow();
    expect(count).toBe(3n);
  });

  test("keeps bytes as they are", async () => {
    const db = await open();
    const proof = Uint8Array.from({ length: 256 }, (_, index) => index);
    await db.insertInto("amounts").values({ account: "a", minor_units: 1n, proof }).execute();
    const row = await db.selectFrom("amounts").selectAll().executeTakeFirstOrThrow();
    expect(row.proof).toBeInstanceOf(Uint8Array);
    expect(Buffer.from(row.proof ?? []).equals(proof)).toBe(true);
  });

  test("opens what it wrote before, with what is in it", async () => {
    const db = await open();
    await db.insertInto("amounts").values({ account: "a", minor_units: 7n, proof: null }).execute();
    const again = await open();
    expect(await again.selectFrom("amounts").select("minor_units").execute()).toEqual([{ minor_units: 7n }]);
  });

  test("refuses a database of a newer schema", async () => {
    await open({ ...first, "0002_later": { async up() {} } });
    await expect(open()).rejects.toThrow(DatabaseError);
    await expect(open()).rejects.toThrow(
      /^The database .* has the schema "0002_later", which this version does not know: start the version that wrote it, or a newer one\.$/u,
    );
  });

  test("a migration that fails half-way leaves nothing behind", async () => {
    const failing: Record<string, Migration> = {
      "0001_amounts": {
        async up(db: Kysely<unknown>) {
          await first["0001_amounts"]?.up(db);
          throw new Error("the power went");
        },
      },
    };
    await expect(open(failing)).rejects.toThrow("the power went");
    expect(await (await open()).selectFrom("amounts").selectAll().execute()).toEqual([]);
  });

  test("is ready while it can be used, and not when it is closed", async () => {
    const db = await openDatabase<Schema>({ ...place, migrations: first });
    expect(await isDatabaseReady(db)).toBe(true);
    await db.destroy();
    await expect(isDatabaseReady(db)).rejects.toThrow("destroyed");
  });

  test("of transactions that read before they write, none goes by what another one has changed", async () => {
    const db = await open();
    const sum = async (on: Kysely<Schema>) =>
      (await on.selectFrom("amounts").select("minor_units").execute()).reduce((all, row) => all + row.minor_units, 0n);
    // Ten at once, each of which takes what the account holds only if it holds nothing yet.
    const taken = await Promise.all(
      Array.from({ length: 10 }, () =>
        serializable(db, async (transaction) => {
          if ((await sum(transaction)) > 0n) return false;
          await transaction.insertInto("amounts").values({ account: "a", minor_units: 1n, proof: null }).execute();
          return true;
        }),
      ),
    );
    expect(taken.filter((each) => each)).toHaveLength(1);
    expect(await sum(db)).toBe(1n);
  });

  test("a serializable transaction that fails changes nothing, and is not made again", async () => {
    const db = await open();
    let runs = 0;
    const failing = serializable(db, async (transaction) => {
      runs += 1;
      await transaction.insertInto("amounts").values({ account: "a", minor_units: 1n, proof: null }).execute();
      throw new Error("we thought better of it");
    });
    await expect(failing).rejects.toThrow("we thought better of it");
    expect(runs).toBe(1);
    expect(await db.selectFrom("amounts").selectAll().execute()).toEqual([]);
  });

  test("a migration is told what its types are called", async () => {
    const seen: string[] = [];
    await open({
      "0001_look": {
        async up(db: Kysely<unknown>) {
          seen.push(columnTypes(db).bytes);
          await sql`select 1`.execute(db);
        },
      },
    });
    expect(seen).toEqual([engine === "sqlite" ? "blob" : "bytea"]);
  });
});

test("of what it did not open it says nothing", async () => {
  await expect(isDatabaseReady({} as Kysely<Schema>)).rejects.toThrow(TypeError);
});
