import { randomUUID } from "node:crypto";
import { apiKey, connect, hmac } from "@zero-trust/auth/client";
import { OrderService, OrderState } from "@zero-trust/proto/order/v1";
import { PaymentService, PaymentState } from "@zero-trust/proto/payment/v1";
import { createClient } from "@zero-trust/rpc";
import { channelsTo, tokensOf, withToken } from "../callers.ts";
import type { Stack } from "../stack.ts";
import type { Table } from "./table.ts";

/** Places an order and reads it in every way there is; returns the ids of it and its payment. */
export async function showLetIn(
  stack: Stack,
  table: Table,
): Promise<{ readonly orderId: string; readonly paymentId: string }> {
  const { apiKey: key, signing } = stack.deployment;
  const tokens = tokensOf(stack, "storefront", "order", ["read:orders", "write:orders"]);
  const orders = createClient(OrderService, withToken(channelsTo(stack, "storefront", "order"), tokens));
  let orderId = "";
  let paymentId = "";

  table.title("Let in");
  await table.line({ who: "storefront", call: "CreateOrder", shows: "its token", expect: "OK, PENDING" }, async () => {
    const unitPrice = { currencyCode: "EUR", minorUnits: 1299n };
    const lines = [{ sku: "TEA-GREEN", quantity: 3, unitPrice }];
    const { order } = await orders.createOrder({ requestId: randomUUID(), lines });
    orderId = order?.orderId ?? "";
    return nameOf(OrderState, order?.state);
  });
  await table.line({ who: "storefront", call: "WatchOrder", shows: "its token", expect: "OK, PAID" }, async () => {
    let state: string | undefined;
    for await (const { order } of orders.watchOrder({ orderId })) {
      state = nameOf(OrderState, order?.state);
      paymentId = order?.paymentId ?? "";
    }
    return state;
  });
  const bySecret = {
    who: "partner",
    call: "ListOrders",
    shows: "its token, got by its secret",
    expect: "OK, 0 orders",
  };
  await table.line(bySecret, async () => {
    const partner = withToken(
      channelsTo(stack, "partner", "order"),
      tokensOf(stack, "partner", "order", ["read:orders"]),
    );
    return `${(await createClient(OrderService, partner).listOrders({})).orders.length} orders`;
  });
  const ledger = { who: "reporting", call: "ListTransactions", shows: "its API key", expect: "OK, 2 lines, sum 0" };
  await table.line(ledger, async () => {
    const channels = connect({ channels: channelsTo(stack, "reporting", "payment"), credentials: [apiKey({ key })] });
    const { transactions } = await createClient(PaymentService, channels).listTransactions({});
    const sum = transactions.reduce((total, line) => total + line.minorUnits, 0n);
    return `${transactions.length} lines, sum ${sum}`;
  });
  const byCertificate = {
    who: "order-service",
    call: "GetPayment",
    shows: "its certificate alone",
    expect: "OK, CAPTURED",
  };
  await table.line(byCertificate, async () => {
    const payments = createClient(PaymentService, channelsTo(stack, "order-service", "payment"));
    const { payment } = await payments.getPayment({ paymentId, client: "storefront" });
    return nameOf(PaymentState, payment?.state);
  });
  const signed = { who: "storefront", call: "GetPayment", shows: "a signed request", expect: "OK, CAPTURED" };
  await table.line(signed, async () => {
    const { id: keyId, secret } = signing.storefront;
    const channels = channelsTo(stack, "storefront", "payment");
    const payments = createClient(PaymentService, connect({ channels, credentials: [hmac({ keyId, secret })] }));
    const { payment } = await payments.getPayment({ paymentId });
    return nameOf(PaymentState, payment?.state);
  });
  return { orderId, paymentId };
}

function nameOf(values: Readonly<Record<string, number>>, value: number | undefined): string {
  return Object.entries(values).find(([, number]) => number === value)?.[0] ?? "nothing";
}
