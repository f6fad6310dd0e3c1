/** An amount of money in the minor unit of its currency. */
export interface Amount {
  /** ISO 4217 code. */
  readonly currencyCode: string;
  /** Minor units (cents for EUR). */
  readonly minorUnits: bigint;
}

/**
 * The bank that moves the money.
 *
 * Both calls may be repeated with the same key, after a crash or a lost answer: the acquirer acts once and gives the
 * same answer again. An acquirer that cannot promise this cannot be used here.
 */
export interface Acquirer {
  /**
   * Holds an amount.
   *
   * @throws AcquirerUnavailableError when there is no answer, so that nobody knows whether it was held.
   */
  authorize(idempotencyKey: string, amount: Amount): Promise<"authorized" | "declined">;

  /**
   * Charges the amount that was held under the same key.
   *
   * @throws AcquirerUnavailableError when there is no answer, so that nobody knows whether it was charged.
   */
  capture(idempotencyKey: string): Promise<"captured" | "declined">;
}

/** The acquirer gave no answer: the same call has to be made again. */
export class AcquirerUnavailableError extends Error {
  override readonly name = "AcquirerUnavailableError";
}
