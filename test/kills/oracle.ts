import type { BookedOrder, BookedPayment, Books } from "./books.ts";
import type { Asked, History } from "./history.ts";

/** What has to be true of the books once every service is up again and nothing is left to be done. */
const claims: Readonly<Record<string, (history: History, books: Books) => Iterable<string>>> = {
  "every acknowledged order is there, with the content that was asked for": acknowledged,
  "what was answered twice was answered alike": answeredAlike,
  "no order is there that its client did not ask for, or other than asked for": askedFor,
  "a request has one order": oneOrder,
  "an import is there whole, or not at all": wholeImports,
  "nothing is left to be done": nothingLeft,
  "an order has one payment of its amount, and one charge at most": onePayment,
  "an order is PAID or DECLINED as the acquirer says": asTheAcquirerSays,
  "nothing is held or charged without an order": nothingWithoutOrder,
  "the ledger adds up to zero, and has what was charged": balancedLedger,
  "every line of the decision logs is whole": (_, books) => books.tornDecisions,
};

/** Compares what callers were told with what is written down: a sentence for each claim that is not true, and for what breaks it. */
export function complaintsOf(history: History, books: Books): readonly string[] {
  const seen = history.complaints.map((complaint) => `what callers saw: ${complaint}`);
  const found = Object.entries(claims).flatMap(([claim, check]) =>
    [...check(history, books)].map((breach) => `${claim}: ${breach}`),
  );
  return [...seen, ...found];
}

function* acknowledged({ placings }: History, { orders }: Books): Iterable<string> {
  const byId = new Map(orders.map((order) => [order.orderId, order]));
  for (const { client, orders: asked, answers } of placings) {
    if (answers.length === 0) yield `request ${asked[0]?.requestId} was never acknowledged`;
    for (const { orderIds, content } of answers) {
      if (orderIds.length !== asked.length) yield `${orderIds.length} orders for ${asked.length} of ${client}`;
      if (content !== undefined && content !== asked[0]?.content) yield `${orderIds[0]} was answered as ${content}`;
      yield* orderIds.flatMap((orderId, at) => whatBecameOf(byId.get(orderId), orderId, asked[at]) ?? []);
    }
  }
}

function whatBecameOf(order: BookedOrder | undefined, orderId: string, asked: Asked | undefined): string | undefined {
  if (order === undefined) return `${orderId} is gone`;
  return order.requestId === asked?.requestId && order.content === asked.content
    ? undefined
    : `${orderId} is ${order.content}`;
}

function* answeredAlike({ placings }: History): Iterable<string> {
  for (const { orders, answers } of placings) {
    const texts = new Set(answers.map(({ text }) => text));
    if (texts.size > 1) yield `request ${orders[0]?.requestId}: ${[...texts].join(" and ")}`;
  }
}

function* askedFor({ placings }: History, { orders }: Books): Iterable<string> {
  const contents = new Map(placings.flatMap((placing) => placing.orders.map((each) => [keyOf(placing, each), each])));
  for (const order of orders) {
    const asked = contents.get(keyOf(order, order));
    if (asked === undefined) yield `${order.orderId} of ${order.client}`;
    else if (asked.content !== order.content) yield `${order.orderId} is ${order.content}`;
  }
}

function* oneOrder(_: History, { orders }: Books): Iterable<string> {
  for (const [key, same] of Map.groupBy(orders, (order) => keyOf(order, order)))
    if (same.length > 1) yield `${key} has ${same.length}`;
}

function* wholeImports({ placings }: History, { orders }: Books): Iterable<string> {
  const there = new Set(orders.map((order) => keyOf(order, order)));
  for (const placing of placings) {
    const written = placing.orders.filter((each) => there.has(keyOf(placing, each)));
    if (written.length > 0 && written.length < placing.orders.length)
      yield `${written.length} orders of ${placing.orders.length}, from ${placing.orders[0]?.requestId}`;
  }
}

function* nothingLeft(_: History, { orders, outbox, payments }: Books): Iterable<string> {
  for (const orderId of outbox) yield `${orderId} is still to be paid`;
  for (const { orderId, state } of orders) if (!isFinal(state)) yield `${orderId} is ${state}`;
  for (const { paymentId, state } of payments) if (!isFinal(state)) yield `${paymentId} is ${state}`;
}

function* onePayment(_: History, books: Books): Iterable<string> {
  const payments = Map.groupBy(books.payments, (payment) => payment.reference);
  const charges = Map.groupBy(books.charges, (charge) => charge.key);
  for (const order of books.orders) {
    const [payment, ...more] = payments.get(order.orderId) ?? [];
    if (payment === undefined) yield `${order.orderId} has none`;
    else if (more.length > 0) yield `${order.orderId} has ${more.length + 1}`;
    else if (!isPaymentOf(payment, order)) yield `${order.orderId} has that of another`;
    const charged = [payment, ...more].flatMap((each) => charges.get(each?.paymentId ?? "") ?? []);
    if (charged.length > 1) yield `${order.orderId} was charged ${charged.length} times`;
  }
}

function* asTheAcquirerSays(_: History, books: Books): Iterable<string> {
  const outcomes = new Map(books.authorizations.map(({ key, outcome }) => [key, outcome]));
  const charges = new Map(books.charges.map((charge) => [charge.key, charge]));
  const payments = new Map(books.payments.map((payment) => [payment.paymentId, payment]));
  for (const { orderId, paymentId, state, amount } of books.orders) {
    const charge = charges.get(paymentId ?? "");
    const said = charge === undefined ? outcomes.get(paymentId ?? "") : "charged";
    const isRight = state === "PAID" ? said === "charged" && charge?.amount === amount : said === "declined";
    if (!isRight) yield `${orderId} is ${state}, and the acquirer says: ${said} ${charge?.amount ?? ""}`;
    const { state: noted } = payments.get(paymentId ?? "") ?? {};
    if (noted !== (state === "PAID" ? "CAPTURED" : "DECLINED")) yield `${orderId} is ${state}, its payment ${noted}`;
  }
}

function* nothingWithoutOrder(_: History, books: Books): Iterable<string> {
  const orders = new Set(books.orders.map(({ orderId }) => orderId));
  const payments = new Map(books.payments.map((payment) => [payment.paymentId, payment]));
  for (const { paymentId, reference } of books.payments) if (!orders.has(reference)) yield `payment ${paymentId}`;
  for (const { key } of books.authorizations) if (!payments.has(key)) yield `an authorization of ${key}`;
  for (const { key } of books.charges)
    if (payments.get(key)?.state !== "CAPTURED") yield `a charge of ${key}, which is ${payments.get(key)?.state}`;
}

function* balancedLedger(_: History, { ledger, charges }: Books): Iterable<string> {
  const sums = new Map<string, bigint>();
  const add = (key: string, units: bigint) => sums.set(key, (sums.get(key) ?? 0n) + units);
  for (const { paymentId, currencyCode, minorUnits } of ledger) {
    add(currencyCode, minorUnits);
    add(`${currencyCode} of ${paymentId}`, minorUnits);
  }
  for (const [key, sum] of sums) if (sum !== 0n) yield `${sum} ${key}`;

  const debits = Map.groupBy(
    ledger.filter(({ account }) => account === "ACQUIRER"),
    (line) => line.paymentId,
  );
  for (const { key, amount } of charges) {
    const lines = debits.get(key) ?? [];
    const written = lines.map(({ minorUnits, currencyCode }) => `${minorUnits} ${currencyCode}`);
    if (written.join() !== amount)
      yield `${amount} were charged for ${key}, and written: ${written.join() || "nothing"}`;
    debits.delete(key);
  }
  for (const paymentId of debits.keys()) yield `${paymentId} was never charged, and is written`;
}

/** A request of a client: what is charged at most once. */
const keyOf = ({ client }: { readonly client: string }, { requestId }: { readonly requestId: string }): string =>
  `${client} ${requestId}`;

const isFinal = (state: string): boolean => ["PAID", "CAPTURED", "DECLINED"].includes(state);

const isPaymentOf = (payment: BookedPayment, order: BookedOrder): boolean =>
  payment.paymentId === order.paymentId && payment.client === order.client && payment.amount === order.amount;
