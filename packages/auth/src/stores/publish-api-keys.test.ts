import { type PostgresServer, startPostgres } from "@zero-trust/testkit/servers";
import { Pool } from "pg";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { newEntry } from "../../test/api-key-source-contract.ts";
import { createApiKeyTable } from "./create-api-key-table.ts";
import { publishApiKeys } from "./publish-api-keys.ts";

let server: PostgresServer;
let pool: Pool;

beforeAll(async () => {
  server = await startPostgres();
  const { host, port, user, password, database } = server;
  pool = new Pool({ host, port, user, password, database, max: 3 });
});
beforeEach(async () => {
  await pool.query("drop table if exists api_keys");
  await createApiKeyTable(pool);
});
afterAll(async () => {
  await pool.end();
  await server[Symbol.asyncDispose]();
});

const nowMs = Date.UTC(2026, 0, 2);
const now = "2026-01-02T00:00:00.000Z";
const publish = (...entries: readonly object[]) => publishApiKeys({ pool, file: { keys: entries }, nowMs });
const records = async () => {
  const { rows } = await pool.query<{ id: string; record: object }>("select id, record from api_keys");
  return new Map(rows.map(({ id, record }) => [id, record]));
};

test("a table says what the file says, and what is not in the file any more is revoked", async () => {
  const [one, other, third] = [newEntry(), newEntry(), newEntry()];
  expect(await publish(one.entry, other.entry)).toEqual({ added: [one.id, other.id], changed: [], revoked: [] });
  expect(await publish(one.entry, other.entry)).toEqual({ added: [], changed: [], revoked: [] });
  const changed = { ...other.entry, scopes: [] };
  expect(await publish(changed, third.entry)).toEqual({ added: [third.id], changed: [other.id], revoked: [one.id] });
  const revoked = { ...one.entry, revokedAt: now };
  expect(await records()).toEqual(
    new Map<string, object>([
      [one.id, revoked],
      [other.id, changed],
      [third.id, third.entry],
    ]),
  );
  expect(await publish(changed, third.entry)).toEqual({ added: [], changed: [], revoked: [] });
  expect(await publish(one.entry, changed, third.entry)).toMatchObject({ changed: [one.id] });
});

test("a key that was to be revoked later is revoked now when it leaves the file, and one that was before stays so", async () => {
  const later = newEntry({ revokedAt: "2027-01-01T00:00:00Z" });
  const before = newEntry({ revokedAt: "2025-01-01T00:00:00Z" });
  await publish(later.entry, before.entry);
  expect(await publish()).toEqual({ added: [], changed: [], revoked: [later.id] });
  expect((await records()).get(later.id)).toMatchObject({ revokedAt: now });
  expect((await records()).get(before.id)).toEqual(before.entry);
});

test("a file that no service would take changes nothing", async () => {
  const { id, entry } = newEntry();
  await publish(entry);
  await expect(publish({ ...newEntry().entry, scope: [] })).rejects.toThrow('keys[0] has an unknown key "scope"');
  await expect(publishApiKeys({ pool, file: [] })).rejects.toThrow("is not an object");
  expect([...(await records()).keys()]).toEqual([id]);
});

test("a row cannot speak for another id", async () => {
  const { entry } = newEntry();
  await publish(entry);
  const other = newEntry().id;
  await expect(pool.query("insert into api_keys select $1, record from api_keys", [other])).rejects.toThrow(
    "record_of_id",
  );
});

test("needs no right to make tables where there is one, and takes the table of a schema", async () => {
  const table = "keys.of_payment";
  const { id, entry } = newEntry();
  await pool.query("create schema keys");
  await createApiKeyTable(pool, table);
  expect(await publishApiKeys({ pool, file: { keys: [entry] }, table, nowMs })).toMatchObject({ added: [id] });
  await pool.query("create role publisher login password 'publisher'");
  await pool.query("grant usage on schema keys to publisher");
  await pool.query(`grant select, insert, update on ${table} to publisher`);
  const { host, port, database } = server;
  const theirs = new Pool({ host, port, user: "publisher", password: "publisher", database });
  await createApiKeyTable(theirs, table);
  expect(await publishApiKeys({ pool: theirs, file: { keys: [] }, table, nowMs })).toMatchObject({ revoked: [id] });
  await theirs.end();
});

test("the table is made once, however many make it at a time", async () => {
  await pool.query("drop table api_keys");
  await Promise.all([createApiKeyTable(pool), createApiKeyTable(pool), createApiKeyTable(pool)]);
  expect(await publish(newEntry().entry)).toMatchObject({ added: [expect.any(String)] });
});
