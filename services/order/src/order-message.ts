import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type Order as OrderMessage, OrderSchema, OrderState } from "@zero-trust/proto/order/v1";
import type { Order } from "./store.ts";

/** The orders of one answer: half of the 1 MiB that a message may have. A page of 500 full orders would be beyond it. */
const MAX_PAGE_BYTES = 512 * 1024;

/** An order as it goes over the wire. */
export function orderMessage(order: Order): MessageInitShape<typeof OrderSchema> {
  return {
    orderId: order.orderId,
    client: order.client,
    lines: order.lines.map((line) => ({ ...line })),
    total: order.total,
    state: OrderState[order.state],
    paymentId: order.paymentId,
    createTime: timestampFromMs(order.createdAtMs),
  };
}

/** The first of these orders, as they go over the wire: as many as fit into one answer, and at least one. */
export function orderMessagesThatFit(orders: readonly Order[]): readonly OrderMessage[] {
  const messages: OrderMessage[] = [];
  let bytes = 0;
  for (const order of orders) {
    const message = create(OrderSchema, orderMessage(order));
    bytes += toBinary(OrderSchema, message).byteLength;
    if (bytes > MAX_PAGE_BYTES && messages.length > 0) break;
    messages.push(message);
  }
  return messages;
}
