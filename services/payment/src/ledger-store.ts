import { randomBytes } from "node:crypto";
import { inTurn } from "@zero-trust/database";
import type { Kysely, Transaction } from "kysely";
import { assertBalanced, type LedgerLine } from "./ledger.ts";
import type { PaymentSchema } from "./migrations.ts";
import { PaymentError } from "./payment-error.ts";

/** A ledger line as it is written down; `client` is whom its payment is for. */
export interface WrittenLine extends LedgerLine {
  readonly transactionId: string;
  readonly paymentId: string;
  readonly client: string;
  readonly createdAtMs: number;
}

/**
 * Writes the lines of one payment, inside the transaction that makes them true.
 *
 * @throws Error when they do not add up to zero, or the payment has been written before.
 */
export async function writeLines(
  trx: Transaction<PaymentSchema>,
  entry: { readonly paymentId: string; readonly lines: readonly LedgerLine[]; readonly nowMs: number },
): Promise<void> {
  assertBalanced(entry.lines);
  // Whoever has read the newest line finds later ones after it, and none before.
  await inTurn(trx, "ledger");
  await trx
    .insertInto("transactions")
    .values(
      entry.lines.map((line) => ({
        transaction_id: `txn_${randomBytes(16).toString("hex")}`,
        payment_id: entry.paymentId,
        account: line.account,
        currency_code: line.currencyCode,
        minor_units: line.minorUnits,
        created_at_ms: BigInt(entry.nowMs),
      })),
    )
    .execute();
}

/** Reads the ledger of all clients. */
export class LedgerStore {
  readonly #db: Kysely<PaymentSchema>;

  constructor(db: Kysely<PaymentSchema>) {
    this.#db = db;
  }

  /**
   * Reads the lines that were written after a given one, oldest first.
   *
   * @throws PaymentError PAGE_UNKNOWN when there is no such line.
   */
  async linesAfter(options: { readonly after: string; readonly limit: number }): Promise<readonly WrittenLine[]> {
    const position = await this.#positionOf(options.after);
    const rows = await this.#lines()
      .where("position", ">", position)
      .orderBy("position")
      .limit(BigInt(options.limit))
      .execute();
    return rows.map(writtenLine);
  }

  /** Reads one line. */
  async line(transactionId: string): Promise<WrittenLine | undefined> {
    const row = await this.#lines().where("transaction_id", "=", transactionId).executeTakeFirst();
    return row === undefined ? undefined : writtenLine(row);
  }

  async #positionOf(transactionId: string): Promise<bigint> {
    if (transactionId === "") return 0n;
    // The caller's words; a text that is no id may be none that the database can read either.
    if (!/^txn_[0-9a-f]{32}$/u.test(transactionId)) throw new PaymentError("PAGE_UNKNOWN");
    const row = await this.#db
      .selectFrom("transactions")
      .select("position")
      .where("transaction_id", "=", transactionId)
      .executeTakeFirst();
    if (row === undefined) throw new PaymentError("PAGE_UNKNOWN");
    return row.position;
  }

  #lines() {
    return this.#db
      .selectFrom("transactions")
      .innerJoin("payments", "payments.payment_id", "transactions.payment_id")
      .select([
        "transactions.transaction_id",
        "transactions.payment_id",
        "transactions.account",
        "transactions.currency_code",
        "transactions.minor_units",
        "transactions.created_at_ms",
        "payments.client",
      ]);
  }
}

interface LineRow {
  readonly transaction_id: string;
  readonly payment_id: string;
  readonly account: LedgerLine["account"];
  readonly currency_code: string;
  readonly minor_units: bigint;
  readonly created_at_ms: bigint;
  readonly client: string;
}

function writtenLine(row: LineRow): WrittenLine {
  return {
    transactionId: row.transaction_id,
    paymentId: row.payment_id,
    client: row.client,
    account: row.account,
    currencyCode: row.currency_code,
    minorUnits: row.minor_units,
    createdAtMs: Number(row.created_at_ms),
  };
}
