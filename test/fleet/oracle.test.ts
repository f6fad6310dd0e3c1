import { expect, test } from "vitest";
import type { Books } from "../kills/books.ts";
import { History } from "../kills/history.ts";
import type { LoadFigures } from "./load.ts";
import { complaintsOfLoad } from "./oracle.ts";
import { Tally } from "./tally.ts";

const payment = { paymentId: "pay_1", client: "storefront", reference: "load-1", state: "CAPTURED", amount: "100 EUR" };
const line = { paymentId: "pay_1", currencyCode: "EUR" };
const books: Books = {
  orders: [],
  outbox: [],
  payments: [payment],
  ledger: [
    { ...line, account: "ACQUIRER", minorUnits: 100n },
    { ...line, account: "CLIENT", minorUnits: -100n },
  ],
  authorizations: [{ key: "pay_1", amount: "100 EUR", outcome: "authorized" }],
  charges: [{ key: "pay_1", amount: "100 EUR" }],
  tornDecisions: [],
};
const load: LoadFigures = {
  ...new Tally().all(),
  history: new History(),
  payments: [{ requestId: "1", paymentId: "pay_1", amount: "100 EUR", reference: "load-1", captured: true }],
};

test("has no complaint where everything that was acknowledged is there, once", () => {
  expect(complaintsOfLoad(load, books)).toEqual([]);
});

test.each([
  ["is gone", { payments: [] }, "is gone"],
  ["is not captured", { payments: [{ ...payment, state: "AUTHORIZED" }] }, "should be CAPTURED"],
  ["was made twice", { payments: [payment, { ...payment, paymentId: "pay_2" }] }, "has 2 payments"],
  ["was charged twice", { charges: [...books.charges, ...books.charges] }, "charged 100 EUR and 100 EUR"],
  ["was never charged", { charges: [] }, "was charged "],
  ["is written half", { ledger: books.ledger.slice(1) }, "out by -100"],
  ["nobody asked for", { payments: [payment, { ...payment, reference: "load-2" }] }, "was never acknowledged"],
])("complains of a payment that %s", (_what, changed, complaint) => {
  expect(complaintsOfLoad(load, { ...books, ...changed }).join("\n")).toContain(complaint);
});
