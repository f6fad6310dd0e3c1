import { randomBytes } from "node:crypto";
import { serializable } from "@zero-trust/database";
import type { Kysely, Transaction } from "kysely";
import type { Amount } from "./acquirer.ts";
import { captureLines } from "./ledger.ts";
import { writeLines } from "./ledger-store.ts";
import type { PaymentSchema, PaymentTable } from "./migrations.ts";
import { PaymentError } from "./payment-error.ts";
import { mayBecome, type PaymentState } from "./payment-state.ts";

/** A payment as it is written down. */
export interface Payment {
  readonly paymentId: string;
  /** The client that it is for. */
  readonly client: string;
  /** The client that asked for it. */
  readonly createdBy: string;
  readonly reference: string;
  readonly amount: Amount;
  readonly state: PaymentState;
  readonly createdAtMs: number;
}

/** Who asks, the id that they gave the request, and what it asks for in 32 bytes. */
export interface Claim {
  readonly caller: string;
  readonly requestId: string;
  readonly fingerprint: Uint8Array;
}

/** The payment of a claimed request, and the answer if it has been answered before. */
export interface Claimed {
  readonly payment: Payment;
  readonly response?: Uint8Array;
}

/** Which payment, as whom. */
export interface Sight {
  readonly paymentId: string;
  /** The client that the payment is said to be for. */
  readonly client: string;
  readonly caller: string;
}

/** Payments and the requests that made them, in one database. */
export class PaymentStore {
  readonly #db: Kysely<PaymentSchema>;
  readonly #now: () => number;

  constructor(db: Kysely<PaymentSchema>, now: () => number = Date.now) {
    this.#db = db;
    this.#now = now;
  }

  /**
   * Writes a PENDING payment, or finds the one that the same request wrote before.
   *
   * @throws PaymentError REQUEST_REUSED when the caller used the id for another request.
   */
  async create(claim: Claim, asked: Pick<Payment, "client" | "reference" | "amount">): Promise<Claimed> {
    return await this.#db.transaction().execute(async (trx) => {
      const paymentId = `pay_${randomBytes(16).toString("hex")}`;
      if (!(await claimRequest(trx, claim, paymentId))) return await claimed(trx, claim);
      const row: PaymentTable = {
        payment_id: paymentId,
        client: asked.client,
        created_by: claim.caller,
        reference: asked.reference,
        currency_code: asked.amount.currencyCode,
        minor_units: asked.amount.minorUnits,
        state: "PENDING",
        created_at_ms: BigInt(this.#now()),
      };
      await trx.insertInto("payments").values(row).execute();
      return { payment: payment(row) };
    });
  }

  /**
   * Claims an AUTHORIZED payment for capture, or finds the one that the same request claimed before.
   *
   * @throws PaymentError REQUEST_REUSED, NOT_FOUND when the caller may not see it, NOT_AUTHORIZED in another state.
   */
  async claimCapture(claim: Claim, asked: Pick<Sight, "paymentId" | "client">): Promise<Claimed> {
    return await this.#db.transaction().execute(async (trx) => {
      if (!(await claimRequest(trx, claim, asked.paymentId))) return await claimed(trx, claim);
      const found = await visible(trx, { ...asked, caller: claim.caller });
      if (found === undefined) throw new PaymentError("NOT_FOUND");
      if (found.state !== "AUTHORIZED") throw new PaymentError("NOT_AUTHORIZED");
      return { payment: found };
    });
  }

  /**
   * Writes what the acquirer said and the answer that goes out, together with the ledger lines of a capture.
   *
   * Whoever comes second with the same request changes nothing and gets the first answer.
   */
  async settle(
    claim: Claim,
    settled: { readonly paymentId: string; readonly from: PaymentState; readonly to: PaymentState },
    encode: (payment: Payment) => Uint8Array,
  ): Promise<Uint8Array> {
    const { paymentId, from, to } = settled;
    if (!mayBecome(from, to)) throw new Error(`A payment cannot go from ${from} to ${to}.`);
    return await serializable(this.#db, async (trx) => {
      const changed = await trx
        .updateTable("payments")
        .set({ state: to })
        .where("payment_id", "=", paymentId)
        .where("state", "=", from)
        .executeTakeFirstOrThrow();
      const now = await byId(trx, paymentId);
      await trx
        .updateTable("requests")
        .set({ response: encode(now) })
        .where("created_by", "=", claim.caller)
        .where("request_id", "=", claim.requestId)
        .where("response", "is", null)
        .execute();
      const { response } = await claimed(trx, claim);
      if (response === undefined) throw new Error("A settled request has no answer.");
      // Last, since the next line of the ledger waits from here to the commit.
      if (changed.numUpdatedRows === 1n && to === "CAPTURED")
        await writeLines(trx, { paymentId, lines: captureLines(now.amount), nowMs: this.#now() });
      return response;
    });
  }

  /** Reads a payment; one that the caller may not see does not exist. */
  async find(sight: Sight): Promise<Payment | undefined> {
    return await visible(this.#db, sight);
  }
}

async function claimRequest(trx: Transaction<PaymentSchema>, claim: Claim, paymentId: string): Promise<boolean> {
  const inserted = await trx
    .insertInto("requests")
    .values({
      created_by: claim.caller,
      request_id: claim.requestId,
      fingerprint: claim.fingerprint,
      payment_id: paymentId,
      response: null,
    })
    .onConflict((conflict) => conflict.columns(["created_by", "request_id"]).doNothing())
    .executeTakeFirstOrThrow();
  return inserted.numInsertedOrUpdatedRows === 1n;
}

async function claimed(trx: Transaction<PaymentSchema>, claim: Claim): Promise<Claimed> {
  const request = await trx
    .selectFrom("requests")
    .selectAll()
    .where("created_by", "=", claim.caller)
    .where("request_id", "=", claim.requestId)
    .executeTakeFirstOrThrow();
  if (!Buffer.from(request.fingerprint).equals(claim.fingerprint)) throw new PaymentError("REQUEST_REUSED");
  const found = await byId(trx, request.payment_id);
  return request.response === null ? { payment: found } : { payment: found, response: request.response };
}

async function byId(trx: Transaction<PaymentSchema>, paymentId: string): Promise<Payment> {
  const row = await trx
    .selectFrom("payments")
    .selectAll()
    .where("payment_id", "=", paymentId)
    .executeTakeFirstOrThrow();
  return payment(row);
}

// The one place that decides who sees a payment.
async function visible(db: Kysely<PaymentSchema>, sight: Sight): Promise<Payment | undefined> {
  const row = await db
    .selectFrom("payments")
    .selectAll()
    .where("payment_id", "=", sight.paymentId)
    .where("client", "=", sight.client)
    .where((where) => where.or([where("client", "=", sight.caller), where("created_by", "=", sight.caller)]))
    .executeTakeFirst();
  return row === undefined ? undefined : payment(row);
}

function payment(row: PaymentTable): Payment {
  return {
    paymentId: row.payment_id,
    client: row.client,
    createdBy: row.created_by,
    reference: row.reference,
    amount: { currencyCode: row.currency_code, minorUnits: row.minor_units },
    state: row.state,
    createdAtMs: Number(row.created_at_ms),
  };
}
