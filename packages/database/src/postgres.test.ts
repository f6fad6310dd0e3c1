import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { clientTlsOptions, identityFromMemory } from "@zero-trust/mtls";
import { createCa } from "@zero-trust/testkit";
import { type PostgresServer, startPostgres } from "@zero-trust/testkit/servers";
import { type Kysely, sql } from "kysely";
import type { Migration } from "kysely/migration";
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { emptyDatabase, reach, run } from "../test/postgres-database.ts";
import { isDatabaseReady, openDatabase } from "./database.ts";
import { DatabaseUnavailableError } from "./database-error.ts";
import type { PostgresOptions } from "./postgres-pool.ts";
import { serializable } from "./serializable.ts";

interface Schema {
  readonly amounts: { readonly minor_units: bigint };
}

const migrations: Record<string, Migration> = {
  "0001_amounts": {
    async up(db: Kysely<unknown>) {
      await db.schema.createTable("amounts").addColumn("minor_units", "bigint").execute();
    },
  },
};

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server[Symbol.asyncDispose]());

const opened: Kysely<Schema>[] = [];
afterEach(async () => {
  for (const db of opened.splice(0)) await db.destroy();
});

async function open(postgres: PostgresOptions): Promise<Kysely<Schema>> {
  const db = await openDatabase<Schema>({ postgres, migrations });
  opened.push(db);
  return db;
}

const amounts = async (db: Kysely<Schema>) =>
  (await db.selectFrom("amounts").selectAll().execute()).map((row) => row.minor_units);

async function setting(db: Kysely<Schema>, name: string): Promise<string | undefined> {
  const { rows } = await sql<{ value: string }>`select current_setting(${name}) as value`.execute(db);
  return rows[0]?.value;
}

test("each connection says what it may take, and that a commit is on the disk", async () => {
  const db = await open(await emptyDatabase(server));
  expect(await setting(db, "synchronous_commit")).toBe("on");
  expect(await setting(db, "statement_timeout")).toBe("5s");
  expect(await setting(db, "lock_timeout")).toBe("3s");
  expect(await setting(db, "idle_in_transaction_session_timeout")).toBe("10s");
  expect(await setting(db, "transaction_isolation")).toBe("read committed");
});

test("several replicas that start at once make one schema", async () => {
  const postgres = await emptyDatabase(server);
  const replicas = await Promise.all(Array.from({ length: 6 }, () => open(postgres)));
  for (const db of replicas) await db.insertInto("amounts").values({ minor_units: 1n }).execute();
  expect(await run(postgres, "select count(*)::int as count from amounts")).toEqual([{ count: 6 }]);
  expect(await run(postgres, "select name from kysely_migration")).toEqual([{ name: "0001_amounts" }]);
});

test("refuses the database of another program and leaves it as it was", async () => {
  const postgres = await emptyDatabase(server);
  await run(postgres, "create table theirs (a int)");
  await expect(open(postgres)).rejects.toThrow(
    `The database postgres://postgres@127.0.0.1:${server.port}/${postgres.database} was not made by this program: name another one.`,
  );
  expect(await run(postgres, "select tablename from pg_tables where schemaname = 'public'")).toEqual([
    { tablename: "theirs" },
  ]);
});

test("says what is wrong with where it is, and no password", async () => {
  const good = await emptyDatabase(server);
  const said = async (postgres: Partial<PostgresOptions>) => {
    const error = await open({ ...good, ...postgres }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(DatabaseUnavailableError);
    return String(error);
  };
  expect(await said({ password: () => "a-wrong-password" })).toMatch(
    /cannot be reached: password authentication failed for user "postgres"/u,
  );
  expect(await said({ password: () => "a-wrong-password" })).not.toContain("a-wrong-password");
  expect(await said({ database: "nowhere" })).toMatch(/cannot be reached: database "nowhere" does not exist/u);
  expect(await said({ password: () => Promise.reject(new Error("ENOENT: no such file")) })).toContain("ENOENT");
  await using stopped = await startPostgres();
  await stopped.stop();
  expect(await said(reach(stopped))).toContain("ECONNREFUSED");
});

test("a server that writes nothing is not ready, and is not opened", async () => {
  const postgres = await emptyDatabase(server);
  const db = await open(postgres);
  expect(await isDatabaseReady(db)).toBe(true);
  await run(postgres, `alter database ${postgres.database} set default_transaction_read_only = on`);
  await expect(open(postgres)).rejects.toThrow("is read-only: name the server that writes.");
  await sql`set default_transaction_read_only = on`.execute(db);
  await expect(isDatabaseReady(db)).rejects.toThrow("is read-only");
});

test("a statement that takes too long is ended, and so is waiting for a lock", async () => {
  const postgres = await emptyDatabase(server);
  const db = await open({ ...postgres, statementTimeoutMs: 1_500, lockTimeoutMs: 300 });
  await expect(sql`select pg_sleep(10)`.execute(db)).rejects.toThrow("statement timeout");
  await db.transaction().execute(async (transaction) => {
    await sql`lock table amounts`.execute(transaction);
    await expect(amounts(db)).rejects.toThrow("lock timeout");
  });
  expect(await amounts(db)).toEqual([]);
});

test("transactions that wait for each other are made again", async () => {
  const postgres = await emptyDatabase(server);
  const db = await open(postgres);
  await db
    .insertInto("amounts")
    .values([{ minor_units: 1n }, { minor_units: 2n }])
    .execute();
  const bothHaveOne = Promise.withResolvers<void>();
  let holding = 0;
  const both = async (one: bigint, other: bigint) => {
    let runs = 0;
    await serializable(db, async (transaction) => {
      runs += 1;
      const lock = (amount: bigint) =>
        sql`select 1 from amounts where minor_units = ${amount} for update`.execute(transaction);
      await lock(one);
      holding += 1;
      if (holding >= 2) bothHaveOne.resolve();
      await bothHaveOne.promise;
      await lock(other);
    });
    return runs;
  };
  const runs = await Promise.all([both(1n, 2n), both(2n, 1n)]);
  expect(Math.max(...runs)).toBeGreaterThan(1);
});

test("a server that crashes in the middle of a transaction loses nothing that was acknowledged, and is found again", async () => {
  await using crashing = await startPostgres();
  const db = await open(reach(crashing));
  await db.insertInto("amounts").values({ minor_units: 1n }).execute();
  const inTransaction = db.transaction().execute(async (transaction) => {
    await transaction.insertInto("amounts").values({ minor_units: 2n }).execute();
    await crashing.stop("SIGQUIT");
    await transaction.insertInto("amounts").values({ minor_units: 3n }).execute();
  });
  await expect(inTransaction).rejects.toThrow(Error);
  await expect(amounts(db)).rejects.toThrow(DatabaseUnavailableError);
  await expect(isDatabaseReady(db)).rejects.toThrow("cannot be reached");
  await crashing.start();
  await vi.waitFor(async () => expect(await isDatabaseReady(db)).toBe(true), { timeout: 10_000 });
  expect(await amounts(db)).toEqual([1n]);
});

test("a server that stops without a word is given up in time, also by who closes, and answers when it is back", async () => {
  await using silent = await startPostgres();
  // A paused server still has its sessions; this one is as if behind a network that went.
  const postgres = { ...reach(silent), statementTimeoutMs: 1_000, connectTimeoutMs: 1_000 };
  const network = await relay(silent);
  const db = await open({ ...postgres, port: network.port });
  expect(await amounts(db)).toEqual([]);
  network.swallow(true);
  const asked = Date.now();
  await expect(amounts(db)).rejects.toThrow("does not answer");
  await expect(amounts(db)).rejects.toThrow("cannot be reached");
  await expect(isDatabaseReady(db)).rejects.toThrow("cannot be reached");
  expect(Date.now() - asked).toBeLessThan(15_000);
  network.swallow(false);
  expect(await amounts(db)).toEqual([]);
  network.swallow(true);
  await opened.pop()?.destroy();
});

test("a transaction in which something is always moving is not given up", async () => {
  const db = await open({ ...(await emptyDatabase(server)), statementTimeoutMs: 1_000 });
  await db.transaction().execute(async (transaction) => {
    for (let step = 0; step < 6; step += 1) await sql`select pg_sleep(0.5)`.execute(transaction);
  });
  expect(await amounts(db)).toEqual([]);
});

const ca = await createCa();
const spiffe = (name: string) => `spiffe://production.internal/${name}`;
const identity = identityFromMemory(await ca.issue({ spiffeId: spiffe("order-service") }));
const overTls = { tls: () => clientTlsOptions({ identity, serverId: spiffe("postgres") }) };

test("over TLS it speaks to the server that is meant, with the certificate and the password of now", async () => {
  await using secured = await startPostgres({ tls: await ca.issue({ spiffeId: spiffe("postgres") }) });
  let password = secured.password;
  const db = await open({ ...reach(secured), ...overTls, password: async () => password, poolSize: 1 });
  const session = async () =>
    (
      await sql`select client_serial::text as serial, version, pg_backend_pid() as pid
        from pg_stat_ssl where pid = pg_backend_pid()`.execute(db)
    ).rows[0] as { serial: string; version: string; pid: bigint };
  const before = await session();
  expect(before).toMatchObject({ version: "TLSv1.3" });

  await sql`alter role postgres password 'the-new-one'`.execute(db);
  password = "the-new-one";
  identity.replace(await ca.issue({ spiffeId: spiffe("order-service") }));
  await sql`select pg_terminate_backend(pg_backend_pid())`.execute(db).catch(() => undefined);
  const after = await vi.waitFor(session);
  expect(after.serial).not.toBe(before.serial);
});

test.each([
  ["another workload of ours", async () => await ca.issue({ spiffeId: spiffe("storefront") }), "not spiffe://"],
  ["another CA's", async () => await (await createCa()).issue({ spiffeId: spiffe("postgres") }), "certificate"],
])("sends no password to %s in its place", async (_, issue, said) => {
  await using impostor = await startPostgres({ tls: { ...(await issue()), ca: ca.ca } });
  const password = vi.fn<() => string>(() => impostor.password);
  await expect(open({ ...reach(impostor), ...overTls, password })).rejects.toThrow(said);
  expect(password).not.toHaveBeenCalled();
});

test("sends no password to a server that says that it has no TLS", async () => {
  const heard: Buffer[] = [];
  const plain = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", (data) => {
      heard.push(data);
      // "No TLS", and at once the request for a password in the clear.
      socket.write(Buffer.concat([Buffer.from("N"), Buffer.from("520000000800000003", "hex")]));
    });
  });
  const password = vi.fn<() => string>(() => "secret");
  const port = await listen(plain);
  await expect(open({ ...reach(server), port, ...overTls, password })).rejects.toThrow(/SSL/u);
  expect(password).not.toHaveBeenCalled();
  expect(Buffer.concat(heard).toString("hex")).toBe("0000000804d2162f");
});

async function listen(listening: Server): Promise<number> {
  listening.listen(0, "127.0.0.1");
  await once(listening, "listening");
  onTestFinished(() => void listening.close());
  return (listening.address() as AddressInfo).port;
}

/** A network between us and a server, which can swallow everything without a word. */
async function relay(to: PostgresServer) {
  let swallowing = false;
  const pass = (from: Socket, into: Socket) => {
    from.on("data", (data) => void (swallowing || into.write(data)));
    from.on("error", () => undefined);
    from.on("close", () => into.destroy());
  };
  const port = await listen(
    createServer((ours) => {
      const theirs = connect({ host: to.host, port: to.port });
      pass(ours, theirs);
      pass(theirs, ours);
    }),
  );
  return {
    port,
    swallow(whether: boolean) {
      swallowing = whether;
    },
  };
}
