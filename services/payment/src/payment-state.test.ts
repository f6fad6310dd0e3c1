import { expect, test } from "vitest";
import { isFinal, mayBecome, type PaymentState } from "./payment-state.ts";

const states: readonly PaymentState[] = ["PENDING", "AUTHORIZED", "CAPTURED", "DECLINED"];

test("a payment is authorized before it is captured, and declined at either step", () => {
  const allowed = states.flatMap((from) => states.filter((to) => mayBecome(from, to)).map((to) => `${from} ${to}`));
  expect(allowed).toEqual(["PENDING AUTHORIZED", "PENDING DECLINED", "AUTHORIZED CAPTURED", "AUTHORIZED DECLINED"]);
});

test("captured and declined are final", () => {
  expect(states.filter(isFinal)).toEqual(["CAPTURED", "DECLINED"]);
});
