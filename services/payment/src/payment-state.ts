/** Where a payment stands. */
export type PaymentState = "PENDING" | "AUTHORIZED" | "CAPTURED" | "DECLINED";

// The whole life of a payment: what is not here cannot happen.
const next: Readonly<Record<PaymentState, readonly PaymentState[]>> = {
  PENDING: ["AUTHORIZED", "DECLINED"],
  AUTHORIZED: ["CAPTURED", "DECLINED"],
  CAPTURED: [],
  DECLINED: [],
};

/** Says whether a payment may go from one state to another. */
export function mayBecome(from: PaymentState, to: PaymentState): boolean {
  return next[from].includes(to);
}

/** Says whether a payment in this state stays as it is for ever. */
export function isFinal(state: PaymentState): boolean {
  return next[state].length === 0;
}
