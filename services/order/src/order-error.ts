/** Why an order cannot be taken or found; the handlers know which status each one is. */
export type OrderFailure =
  | "NOT_FOUND"
  | "REQUEST_REUSED"
  | "MIXED_CURRENCIES"
  | "TOTAL_TOO_LARGE"
  | "TOO_MANY_ORDERS"
  | "TOO_MANY_LINES"
  | "PAGE_UNKNOWN";

/** A request that cannot be served, for a reason that the caller may know. */
export class OrderError extends Error {
  override readonly name = "OrderError";
  readonly failure: OrderFailure;

  constructor(failure: OrderFailure) {
    super(failure);
    this.failure = failure;
  }
}
