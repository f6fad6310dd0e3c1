import { randomUUID } from "node:crypto";
import { columnTypes, type DatabaseLocation, openDatabase } from "@zero-trust/database";
import type { Generated, Kysely } from "kysely";
import type { Migration } from "kysely/migration";
import type { Acquirer, Amount } from "./acquirer.ts";

/** A simulated acquirer, with what a test counts. */
export interface SimulatedAcquirer extends Acquirer {
  /** How many charges there are in its database. */
  countCharges(): Promise<number>;
  /** Closes its database. */
  close(): Promise<void>;
}

interface AcquirerSchema {
  readonly authorizations: {
    readonly idempotency_key: string;
    readonly currency_code: string;
    readonly minor_units: bigint;
    readonly outcome: "authorized" | "declined";
  };
  readonly charges: {
    readonly position: Generated<bigint>;
    readonly charge_id: string;
    readonly idempotency_key: string;
    readonly currency_code: string;
    readonly minor_units: bigint;
  };
}

/**
 * Opens the stand-in for a bank: no money moves.
 *
 * It keeps what it did in a database of its own, as a bank would, so that the charges can be counted from outside
 * whatever becomes of the payment service. It declines every amount whose minor units end in 13 (10.13 EUR), so that a
 * refusal can be had on demand, and takes all others.
 *
 * @throws DatabaseError when the database cannot be used.
 */
export async function simulatedAcquirer(location: DatabaseLocation): Promise<SimulatedAcquirer> {
  const db = await openDatabase<AcquirerSchema>({ ...location, migrations });
  return {
    authorize: (idempotencyKey, amount) => authorize(db, idempotencyKey, amount),
    capture: (idempotencyKey) => capture(db, idempotencyKey),
    async countCharges() {
      const { count } = await db
        .selectFrom("charges")
        .select((select) => select.fn.countAll<bigint>().as("count"))
        .executeTakeFirstOrThrow();
      return Number(count);
    },
    close: () => db.destroy(),
  };
}

const isDeclined = (amount: Amount): boolean => amount.minorUnits % 100n === 13n;

async function authorize(
  db: Kysely<AcquirerSchema>,
  idempotencyKey: string,
  amount: Amount,
): Promise<"authorized" | "declined"> {
  await db
    .insertInto("authorizations")
    .values({
      idempotency_key: idempotencyKey,
      currency_code: amount.currencyCode,
      minor_units: amount.minorUnits,
      outcome: isDeclined(amount) ? "declined" : "authorized",
    })
    .onConflict((conflict) => conflict.column("idempotency_key").doNothing())
    .execute();
  const kept = await db
    .selectFrom("authorizations")
    .selectAll()
    .where("idempotency_key", "=", idempotencyKey)
    .executeTakeFirstOrThrow();
  if (kept.currency_code !== amount.currencyCode || kept.minor_units !== amount.minorUnits)
    throw new Error("The acquirer knows this idempotency key with another amount.");
  return kept.outcome;
}

async function capture(db: Kysely<AcquirerSchema>, idempotencyKey: string): Promise<"captured" | "declined"> {
  return await db.transaction().execute(async (trx) => {
    const held = await trx
      .selectFrom("authorizations")
      .selectAll()
      .where("idempotency_key", "=", idempotencyKey)
      .executeTakeFirst();
    if (held?.outcome !== "authorized") return "declined";
    await trx
      .insertInto("charges")
      .values({
        charge_id: randomUUID(),
        idempotency_key: held.idempotency_key,
        currency_code: held.currency_code,
        minor_units: held.minor_units,
      })
      .onConflict((conflict) => conflict.column("idempotency_key").doNothing())
      .execute();
    return "captured";
  });
}

const migrations: Readonly<Record<string, Migration>> = {
  "0001_simulated_acquirer": {
    async up(db: Kysely<unknown>): Promise<void> {
      const { position } = columnTypes(db);
      await db.schema
        .createTable("authorizations")
        .addColumn("idempotency_key", "text", (column) => column.primaryKey())
        .addColumn("currency_code", "text", (column) => column.notNull())
        .addColumn("minor_units", "bigint", (column) => column.notNull())
        .addColumn("outcome", "text", (column) => column.notNull())
        .execute();
      await db.schema
        .createTable("charges")
        .addColumn("position", ...position)
        .addColumn("charge_id", "text", (column) => column.notNull().unique())
        .addColumn("idempotency_key", "text", (column) =>
          column.notNull().unique().references("authorizations.idempotency_key"),
        )
        .addColumn("currency_code", "text", (column) => column.notNull())
        .addColumn("minor_units", "bigint", (column) => column.notNull())
        .execute();
    },
  },
};
