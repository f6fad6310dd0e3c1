import { OrderService } from "@zero-trust/proto/order/v1";
import type { Stack } from "../stack/stack.ts";
import { callOn } from "./call.ts";
import { bearerOf, newOrder } from "./credentials.ts";

/** Places an order of the storefront, and waits until it is paid; its ids. */
export async function placedOrder(stack: Stack): Promise<{ readonly orderId: string; readonly paymentId: string }> {
  const metadata = await bearerOf(stack, "storefront", "order", ["read:orders", "write:orders"]);
  const as = "storefront";
  const placed = await callOn(stack, OrderService.method.createOrder, { as, metadata, message: newOrder() });
  const orderId = placed.messages[0]?.order?.orderId ?? "";
  const watched = await callOn(stack, OrderService.method.watchOrder, { as, metadata, message: { orderId } });
  return { orderId, paymentId: watched.messages.at(-1)?.order?.paymentId ?? "" };
}
