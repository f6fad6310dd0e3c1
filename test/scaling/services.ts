import { randomUUID } from "node:crypto";
import { channelsTo, tokensOf, withToken } from "@zero-trust/infra/callers";
import { OrderService, OrderState } from "@zero-trust/proto/order/v1";
import { createClient } from "@zero-trust/rpc";
import type { Stack } from "../stack/stack.ts";
import { many } from "./many.ts";
import { childrenCalled, meter } from "./processor-time.ts";

/** What work takes of processors: one of many, in microseconds. */
export interface ServiceCost {
  /** A GetOrder, whose token order has seen before. */
  readonly read: number;
  /** From CreateOrder until it is paid: on order, on payment, and on PostgreSQL where it is used. */
  readonly onOrder: number;
  readonly onPayment: number;
  readonly onPostgres: number;
}

const READS = 4_000;
const ORDERS = 400;
/** Calls that are made at a time. */
const AT_A_TIME = 16;

/** Has services work that run as processes, one of each, and reads from the operating system what it took them. */
export async function measureServices(
  services: Pick<Stack, "deployment" | "issuer" | "payment" | "order">,
): Promise<ServiceCost> {
  using opened = new DisposableStack();
  const channels = opened.adopt(channelsTo(services, "storefront", "order"), (it) => it.close());
  const tokens = tokensOf(services, "storefront", "order", ["read:orders", "write:orders"]);
  const orders = createClient(OrderService, withToken(channels, tokens));
  const place = async () => {
    const unitPrice = { currencyCode: "EUR", minorUnits: 1299n };
    const lines = [{ sku: "TEA-GREEN", quantity: 1, unitPrice }];
    const { order } = await orders.createOrder({ requestId: randomUUID(), lines });
    const orderId = order?.orderId ?? "";
    let state: OrderState | undefined;
    for await (const watched of orders.watchOrder({ orderId })) state = watched.order?.state;
    if (state === OrderState.PENDING) throw new Error("An order was not paid.");
    return orderId;
  };
  const meterOf = async (service: "order" | "payment") => meter([Number(await services[service].startedAs())]);

  // What happens once is not counted: code is compiled, tokens and connections are made.
  const orderId = await place();
  await many(READS / 4, AT_A_TIME, () => orders.getOrder({ orderId }));
  const reading = await meterOf("order");
  await many(READS, AT_A_TIME, () => orders.getOrder({ orderId }));
  const read = reading() / READS;

  await many(ORDERS / 4, AT_A_TIME, place);
  const [ordering, paying] = [await meterOf("order"), await meterOf("payment")];
  const storing = meter(childrenCalled("postgres"));
  await many(ORDERS, AT_A_TIME, place);
  return { read, onOrder: ordering() / ORDERS, onPayment: paying() / ORDERS, onPostgres: storing() / ORDERS };
}
