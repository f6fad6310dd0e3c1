import { type PostgresServer, startPostgres } from "@zero-trust/testkit/servers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { emptyDatabase } from "../test/postgres-database.ts";
import { openDatabase, plainQueries } from "./index.ts";

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server[Symbol.asyncDispose]());

test("takes texts and values, lists too, and gives rows", async () => {
  const db = await openDatabase({ postgres: await emptyDatabase(server), migrations: {} });
  const queries = plainQueries(db);
  await queries.query("create table seats (seat text primary key, holder jsonb not null)", []);
  await queries.query("insert into seats values ($1, $2)", ["a", JSON.stringify({ name: "x" })]);
  expect(
    (await queries.query("select seat, holder from seats where seat = any($1::text[])", [["a", "b"]])).rows,
  ).toEqual([{ seat: "a", holder: { name: "x" } }]);
  await db.destroy();
});
