/** Why a payment request cannot be served; the handlers know which status each one is. */
export type PaymentFailure = "NOT_FOUND" | "REQUEST_REUSED" | "NOT_AUTHORIZED" | "PAGE_UNKNOWN";

/** A request that cannot be served, for a reason that the caller may know. */
export class PaymentError extends Error {
  override readonly name = "PaymentError";
  readonly failure: PaymentFailure;

  constructor(failure: PaymentFailure) {
    super(failure);
    this.failure = failure;
  }
}
