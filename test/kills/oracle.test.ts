import { expect, test } from "vitest";
import type { Books } from "./books.ts";
import { History } from "./history.ts";
import { complaintsOf } from "./oracle.ts";

const paid = { client: "storefront", state: "PAID", amount: "500 EUR", content: "a mug", createdAtMs: 0 } as const;
const order = { ...paid, orderId: "ord_1", requestId: "r1", paymentId: "pay_1" };
const declined = {
  ...order,
  orderId: "ord_2",
  requestId: "r2",
  paymentId: "pay_2",
  state: "DECLINED",
  amount: "1013 EUR",
};
const payment = { paymentId: "pay_1", client: "storefront", reference: "ord_1", state: "CAPTURED", amount: "500 EUR" };
const debit = { paymentId: "pay_1", account: "ACQUIRER", currencyCode: "EUR", minorUnits: 500n };
const credit = { ...debit, account: "CLIENT", minorUnits: -500n };
const answer = { orderIds: ["ord_1", "ord_2"], text: "ord_1 ord_2" };

/** An import of two orders, one of which the acquirer declined; as it should be. */
const books: Books = {
  orders: [order, declined],
  outbox: [],
  payments: [
    payment,
    { paymentId: "pay_2", client: "storefront", reference: "ord_2", state: "DECLINED", amount: "1013 EUR" },
  ],
  ledger: [debit, credit],
  authorizations: [
    { key: "pay_1", amount: "500 EUR", outcome: "authorized" },
    { key: "pay_2", amount: "1013 EUR", outcome: "declined" },
  ],
  charges: [{ key: "pay_1", amount: "500 EUR" }],
  tornDecisions: [],
};

function history(...answers: (typeof answer)[]): History {
  const told = new History();
  const orders = ["r1", "r2"].map((requestId) => ({ requestId, content: "a mug" }));
  told.placings.push({ client: "storefront", orders, answers, answeredAttemptAtMs: 0 });
  return told;
}

test("the oracle has nothing to say about books that are as they should be", () => {
  expect(complaintsOf(history(answer, answer), books)).toEqual([]);
});

const second = { ...payment, paymentId: "pay_3" };

test.each<[what: string, wrong: Partial<Books>, complaint: RegExp]>([
  ["an acknowledged order that is gone", { orders: [declined] }, /^every acknowledged order .*: ord_1 is gone$/],
  ["one with another content", { orders: [{ ...order, content: "two" }, declined] }, /^every acknowledged .* is two$/],
  [
    "one that nobody asked for",
    { orders: [order, declined, { ...order, requestId: "r9" }] },
    /^no order is there that/,
  ],
  ["one of another client", { orders: [{ ...order, client: "partner" }, declined] }, /^no order .* of partner$/],
  ["two for one request", { orders: [order, declined, { ...order, orderId: "ord_3" }] }, /^a request has one order/],
  ["half an import", { orders: [order] }, /^an import is there whole, .*: 1 orders of 2/],
  ["an order that is still to be paid", { outbox: ["ord_1"] }, /^nothing is left to be done: ord_1 is still/],
  ["one that is PENDING", { orders: [{ ...order, state: "PENDING" }, declined] }, /^nothing is left .* is PENDING$/],
  ["no payment", { payments: books.payments.slice(1) }, /^an order has one payment .*: ord_1 has none$/],
  ["two payments", { payments: [...books.payments, second] }, /^an order has one payment .*: ord_1 has 2$/],
  [
    "a payment of another amount",
    { payments: [{ ...payment, amount: "5 EUR" }, ...books.payments.slice(1)] },
    /^an order has one payment .*: ord_1 has that of another$/,
  ],
  ["a second charge", { charges: [...books.charges, ...books.charges] }, /ord_1 was charged 2 times$/],
  [
    "a second charge by a second payment",
    { payments: [...books.payments, second], charges: [...books.charges, { key: "pay_3", amount: "500 EUR" }] },
    /ord_1 was charged 2 times$/,
  ],
  ["an order that was paid without a charge", { charges: [] }, /^an order is PAID or DECLINED as .*: ord_1 is PAID/],
  [
    "an order that was declined and charged",
    { charges: [...books.charges, { key: "pay_2", amount: "1013 EUR" }] },
    /^an order is PAID or DECLINED as .*: ord_2 is DECLINED/,
  ],
  [
    "a payment that knows nothing of it",
    { payments: [{ ...payment, state: "AUTHORIZED" }, ...books.payments.slice(1)] },
    /^an order is PAID or DECLINED as .*its payment AUTHORIZED$/,
  ],
  [
    "a payment without an order",
    { payments: [...books.payments, { ...second, reference: "ord_9" }] },
    /^nothing is held or charged without an order: payment pay_3$/,
  ],
  [
    "a charge without a payment",
    { charges: [...books.charges, { key: "pay_9", amount: "1 EUR" }] },
    /^nothing is held or charged without an order: a charge of pay_9/,
  ],
  ["a ledger that is out of balance", { ledger: [debit] }, /^the ledger adds up to zero.*: 500 EUR$/],
  [
    "two payments whose lines balance each other alone",
    { ledger: [debit, { ...credit, paymentId: "pay_2" }] },
    /^the ledger adds up to zero.*: 500 EUR of pay_1$/,
  ],
  ["a charge that is not in the ledger", { ledger: [] }, /^the ledger .* written: nothing$/],
  ["one that is in it twice", { ledger: [debit, credit, debit, credit] }, /^the ledger .* written: 500 EUR,500 EUR$/],
  ["a torn decision", { tornDecisions: ['{"tim'] }, /^every line of the decision logs is whole: \{"tim$/],
])("the oracle sees %s", (_, wrong, complaint) => {
  expect(complaintsOf(history(answer), { ...books, ...wrong })).toContainEqual(expect.stringMatching(complaint));
});

test.each([
  ["an acknowledgement that never came", history(), /^every acknowledged .*: request r1 was never acknowledged$/],
  [
    "an answer that names too few orders",
    history({ orderIds: ["ord_1"], text: "" }),
    /: 1 orders for 2 of storefront$/,
  ],
  [
    "two answers that differ",
    history(answer, { ...answer, text: "ord_2 ord_1" }),
    /^what was answered twice was answered alike: request r1/,
  ],
])("the oracle sees %s", (_, told, complaint) => {
  expect(complaintsOf(told, books)).toContainEqual(expect.stringMatching(complaint));
});

test("the oracle passes on what callers saw", () => {
  const told = history(answer);
  told.complaints.push("a thief was let in");
  expect(complaintsOf(told, books)).toEqual(["what callers saw: a thief was let in"]);
});
