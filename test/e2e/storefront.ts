import { randomUUID } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { audiences } from "@zero-trust/infra/names";
import { type CreateOrderRequestSchema, type Order, OrderService } from "@zero-trust/proto/order/v1";
import type { ContainerStack } from "./container-stack.ts";

/** What the storefront does all day, from the caller's container. */
export interface Storefront {
  readonly token: string;
  /** The metadata of its calls. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Places an order of 12.34 EUR; acknowledged when this resolves. */
  place(): Promise<Order>;
  /** Watches an order until its state is final. */
  watch(orderId: string): Promise<Order>;
}

/** An order that no other order is like. */
export function newOrder(): MessageInitShape<typeof CreateOrderRequestSchema> {
  return {
    requestId: randomUUID(),
    lines: [{ sku: "MUG", quantity: 2, unitPrice: { currencyCode: "EUR", minorUnits: 617n } }],
  };
}

/** Gets the storefront's token and speaks for it. */
export async function storefrontOf({ caller }: ContainerStack): Promise<Storefront> {
  const as = "storefront";
  const token = await caller.token({ as, audience: audiences.order, scopes: ["read:orders", "write:orders"] });
  const metadata = { authorization: `Bearer ${token}` };
  const only = (what: string, order: Order | undefined, code: string): Order => {
    if (order === undefined || code !== "OK") throw new Error(`${what} was answered ${code}.`);
    return order;
  };
  return {
    token,
    metadata,
    async place() {
      const { code, messages } = await caller.call(OrderService.method.createOrder, {
        as,
        metadata,
        message: newOrder(),
      });
      return only("CreateOrder", messages[0]?.order, code);
    },
    async watch(orderId) {
      const { code, messages } = await caller.call(OrderService.method.watchOrder, {
        as,
        metadata,
        message: { orderId },
      });
      return only("WatchOrder", messages.at(-1)?.order, code);
    },
  };
}
