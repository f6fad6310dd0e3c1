import { randomUUID } from "node:crypto";
import { channelsTo, tokensOf, withToken } from "@zero-trust/infra/callers";
import { OrderService, OrderState } from "@zero-trust/proto/order/v1";
import { type Client, createClient } from "@zero-trust/rpc";
import type { Stack } from "../../stack/stack.ts";

/** A client of order that may place orders. */
export function storefrontOf(stack: Stack): Disposable & { readonly client: Client<typeof OrderService> } {
  const channels = channelsTo(stack, "storefront", "order");
  const tokens = tokensOf(stack, "storefront", "order", ["read:orders", "write:orders"]);
  return {
    client: createClient(OrderService, withToken(channels, tokens)),
    [Symbol.dispose]: () => channels.close(),
  };
}

/** Places an order and watches it until it is paid: how long it took to be answered, and to be paid. */
export async function placed(orders: Client<typeof OrderService>): Promise<{ answeredMs: number; paidMs: number }> {
  const begunMs = performance.now();
  const unitPrice = { currencyCode: "EUR", minorUnits: 1299n };
  const lines = [{ sku: "TEA-GREEN", quantity: 1, unitPrice }];
  const { order } = await orders.createOrder({ requestId: randomUUID(), lines });
  const answeredMs = performance.now() - begunMs;
  let state: OrderState | undefined;
  for await (const watched of orders.watchOrder({ orderId: order?.orderId ?? "" })) state = watched.order?.state;
  if (state !== OrderState.PAID) throw new Error("An order was not paid.");
  return { answeredMs, paidMs: performance.now() - begunMs };
}

/** The process of a service. */
export async function pidOf(stack: Stack, service: "order" | "payment"): Promise<number> {
  return Number(await stack[service].startedAs());
}
