import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type OrderSchema, OrderState } from "@zero-trust/proto/order/v1";
import type { Order } from "./store.ts";

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
