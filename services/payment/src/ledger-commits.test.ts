// Transactions that overlap, which a file does not have.
import { type DatabaseLocation, openDatabase } from "@zero-trust/database";
import { type Databases, startDatabases } from "@zero-trust/database/test/databases";
import { type Kysely, sql } from "kysely";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { sumByCurrency } from "./ledger.ts";
import { LedgerStore } from "./ledger-store.ts";
import { migrations, type PaymentSchema } from "./migrations.ts";
import { type Claim, type Payment, PaymentStore } from "./store.ts";

let databases: Databases;
beforeAll(async () => {
  databases = await startDatabases("postgres");
});
afterAll(() => databases[Symbol.asyncDispose]());

async function connected(location: DatabaseLocation): Promise<Kysely<PaymentSchema>> {
  if (!("postgres" in location)) throw new Error("It has no transactions that overlap.");
  // What waits here waits for us, or for a busy machine.
  const postgres = {
    ...location.postgres,
    connectTimeoutMs: 40_000,
    lockTimeoutMs: 30_000,
    statementTimeoutMs: 40_000,
  };
  const db = await openDatabase<PaymentSchema>({ postgres, migrations });
  onTestFinished(() => db.destroy());
  return db;
}

const claim = (number: number): Claim => ({
  caller: "order-service",
  requestId: `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`,
  fingerprint: new Uint8Array(32).fill(number % 256),
});
const answer = (payment: Payment) => Buffer.from(payment.state);

/** A payment that is to be captured, and the claim that captures it. */
async function authorized(store: PaymentStore, number: number) {
  const amount = { currencyCode: "EUR", minorUnits: BigInt(number) };
  const asked = claim(number);
  const { payment } = await store.create(asked, { client: "storefront", reference: "ord_1", amount });
  const { paymentId } = payment;
  await store.settle(asked, { paymentId, from: "PENDING", to: "AUTHORIZED" }, answer);
  const capture = claim(number + 10_000);
  await store.claimCapture(capture, { paymentId, client: "storefront" });
  return { paymentId, capture };
}

type Authorized = Awaited<ReturnType<typeof authorized>>;

const captured = (store: PaymentStore, { paymentId, capture }: Authorized) =>
  store.settle(capture, { paymentId, from: "AUTHORIZED", to: "CAPTURED" }, answer);

const linesAfter = (db: Kysely<PaymentSchema>, after: string) =>
  new LedgerStore(db).linesAfter({ after, limit: 1_000 });

test("whoever reads the ledger page by page misses no line whose transaction commits late", async () => {
  const location = await databases.fresh();
  const [db, other] = [await connected(location), await connected(location)];
  const store = new PaymentStore(db);
  const [first, second] = [await authorized(store, 1), await authorized(store, 2)];
  let late: Promise<unknown> | undefined;
  let next: Promise<unknown> | undefined;
  let nextIsWritten = false;
  let seen: Awaited<ReturnType<typeof linesAfter>> = [];

  const givingUp = other.transaction().execute(async (transaction) => {
    // The same line, in a transaction that is not over: whoever writes it has drawn its position, and waits.
    await transaction
      .insertInto("transactions")
      .values({
        transaction_id: "txn_of_nobody",
        payment_id: first.paymentId,
        account: "ACQUIRER",
        currency_code: "EUR",
        minor_units: 1n,
        created_at_ms: 0n,
      })
      .execute();
    late = captured(store, first);
    await vi.waitFor(async () => expect(await waiting(other)).toBe(1n), { timeout: 20_000 });
    next = captured(new PaymentStore(other), second).then(() => {
      nextIsWritten = true;
    });
    await vi.waitFor(async () => expect(nextIsWritten || (await waiting(db)) === 2n).toBe(true), { timeout: 20_000 });
    seen = await linesAfter(db, "");
    throw new Error("Nobody's line is not written after all.");
  });
  await expect(givingUp).rejects.toThrow("not written after all");
  await Promise.all([late, next]);

  const all = [...seen, ...(await linesAfter(db, seen.at(-1)?.transactionId ?? ""))];
  expect(all.map((line) => line.paymentId).toSorted()).toEqual(
    [first, first, second, second].map((each) => each.paymentId).toSorted(),
  );
});

async function waiting(db: Kysely<PaymentSchema>): Promise<bigint | undefined> {
  const { rows } = await sql<{
    count: bigint;
  }>`select count(*) as count from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`.execute(
    db,
  );
  return rows[0]?.count;
}

test("captures of two replicas, all at once and each of them twice, are in the ledger once and in balance", async () => {
  const location = await databases.fresh();
  const replicas = await Promise.all([1, 2].map(() => connected(location)));
  const stores = replicas.map((db) => new PaymentStore(db));
  const [db] = replicas;
  if (db === undefined) throw new Error("There is no replica.");
  const payments = await Promise.all(
    Array.from({ length: 40 }, (_, number) => authorized(new PaymentStore(db), number + 1)),
  );
  await Promise.all(payments.flatMap((payment) => stores.map((store) => captured(store, payment))));
  const lines = await linesAfter(db, "");
  expect(lines).toHaveLength(80);
  expect([...sumByCurrency(lines).values()]).toEqual([0n]);
  expect(new Set(lines.map((line) => line.paymentId)).size).toBe(40);
});
