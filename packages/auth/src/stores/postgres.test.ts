import { type PostgresServer, startPostgres } from "@zero-trust/testkit/servers";
import { Pool } from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { apiKeySourceContract, newEntry, shown } from "../../test/api-key-source-contract.ts";
import {
  type ApiKeyTableOptions,
  apiKeyTable,
  createApiKeyTable,
  type PostgresPool,
  publishApiKeys,
} from "./postgres.ts";

let server: PostgresServer;
let pool: Pool;

beforeAll(async () => {
  server = await startPostgres();
  const { host, port, user, password, database } = server;
  pool = new Pool({ host, port, user, password, database, max: 3, connectionTimeoutMillis: 2_000 });
  // A connection that the server ends while nobody uses it.
  pool.on("error", () => undefined);
});
beforeEach(async () => {
  await pool.query("drop table if exists api_keys");
  await createApiKeyTable(pool);
});
afterAll(async () => {
  await pool.end();
  await server[Symbol.asyncDispose]();
});

const nowMs = 1_795_000_000_000;
const publish = (...entries: readonly object[]) => publishApiKeys({ pool, file: { keys: entries }, nowMs });

function open(options: Partial<ApiKeyTableOptions> = {}) {
  const told: string[] = [];
  const query = vi.fn<PostgresPool["query"]>((text, values) => pool.query<object>(text, values));
  const onError = ({ message }: Error) => told.push(message);
  return { told, query, keys: apiKeyTable({ pool: { query }, freshMs: 20, timeoutMs: 2_000, onError, ...options }) };
}

describe("API keys in a table", () => {
  apiKeySourceContract(async (entries) => {
    await publish(...entries);
    const { keys, told } = open();
    const write = async (all: readonly object[]) => {
      await pool.query("delete from api_keys");
      const insert = "insert into api_keys select entry ->> 'id', entry from jsonb_array_elements($1::jsonb) as entry";
      await pool.query(insert, [JSON.stringify(all)]);
    };
    return { keys, told, write };
  });

  test("are looked up once for all that ask at a time, and not again while the answer is fresh", async () => {
    const { id, entry } = newEntry();
    await publish(entry);
    const { keys, query } = open({ freshMs: 10_000 });
    const strange = Array.from({ length: 500 }, () => newEntry().id);
    const asked = [...strange, ...strange, id].map(async (each) => await keys.find(each));
    expect((await Promise.all(asked)).filter((found) => found !== undefined)).toHaveLength(1);
    expect(query).toHaveBeenCalledTimes(2);
    expect(await Promise.all([...strange, id].map(async (each) => await keys.find(each)))).toHaveLength(501);
    expect(query).toHaveBeenCalledTimes(2);
    // What is remembered is there at once.
    expect(keys.find(id)).toMatchObject({ id });
  });

  test("of ids that nobody knows, a bounded number waits, and a key that is known is answered meanwhile", async () => {
    const { id, entry } = newEntry();
    await publish(entry);
    const { keys, query } = open({ freshMs: 10_000 });
    expect(await keys.find(id)).toBeDefined();
    const flood = Array.from({ length: 5_000 }, async () => await keys.find(newEntry().id));
    expect(keys.find(id)).toMatchObject({ id });
    const answers = await Promise.allSettled(flood);
    expect(answers.filter(({ status }) => status === "fulfilled")).toHaveLength(1_001);
    expect(answers.find(({ status }) => status === "rejected")).toMatchObject({
      reason: { message: "too many API keys are looked up" },
    });
    expect(query).toHaveBeenCalledTimes(3);
  });

  test("are good through an outage for as long as they are remembered, then cannot be checked, and recover by themselves", async () => {
    const { key, entry } = newEntry();
    await publish(entry);
    const { keys, told } = open({ maxAgeMs: 1_500 });
    expect(await shown(keys, key)).toBe("verified");
    const knownMs = performance.now();
    await server.stop("SIGQUIT");
    expect(await shown(keys, key)).toBe("verified");
    await expect(shown(keys, newEntry().key)).rejects.toThrow("The API keys cannot be looked up");
    await vi.waitFor(async () => await expect(shown(keys, key)).rejects.toThrow("cannot be looked up"), 5_000);
    expect(performance.now() - knownMs).toBeGreaterThan(1_400);
    expect(performance.now() - knownMs).toBeLessThan(4_000);
    expect(told.length).toBeGreaterThan(0);
    await server.start();
    await vi.waitFor(async () => expect(await shown(keys, key)).toBe("verified"), 10_000);
  });

  test("a database that does not answer is waited for no longer than was said", async () => {
    const { key, entry } = newEntry();
    await publish(entry);
    const { keys, query } = open({ timeoutMs: 100 });
    const holder = await pool.connect();
    await holder.query("begin; lock table api_keys in access exclusive mode");
    const askedMs = performance.now();
    await expect(shown(keys, key)).rejects.toThrow("no answer within 100 ms");
    // Who comes then does not wait, nor does the database get more to do.
    await expect(shown(keys, key)).rejects.toThrow("no answer within 100 ms");
    expect(performance.now() - askedMs).toBeLessThan(450);
    expect(query).toHaveBeenCalledTimes(1);
    await holder.query("rollback");
    holder.release();
    await vi.waitFor(async () => expect(await shown(keys, key)).toBe("verified"), 5_000);
  });

  test.each(["api_keys; drop table x", 'a"b', "A", "a.b.c", ""])("refuses the name %j for a table", (table) => {
    expect(() => open({ table })).toThrow(TypeError);
  });
  test.each([{ freshMs: 0 }, { freshMs: 2, maxAgeMs: 1 }, { maxAgeMs: 30_000 }, { timeoutMs: Number.NaN }])(
    "refuses %j, by which a revoked key could live too long",
    (times) => {
      expect(() => open(times)).toThrow(TypeError);
    },
  );
});
