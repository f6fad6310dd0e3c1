import type { DescMethod, MessageShape } from "@bufbuild/protobuf";
import { type Metadata, status } from "@grpc/grpc-js";
import { isDatabaseUnavailable } from "@zero-trust/database";
import { type OrderLine as OrderLineMessage, OrderService } from "@zero-trust/proto/order/v1";
import { decodePageToken, encodePageToken, type Handlers, RpcError, requestFingerprint } from "@zero-trust/rpc";
import { totalOf } from "./money.ts";
import { ChangesClosedError, type OrderChanges } from "./order-changes.ts";
import { OrderError, type OrderFailure } from "./order-error.ts";
import { orderMessage, orderMessagesThatFit } from "./order-message.ts";
import type { Order, OrderLine, OrderRequest, OrderStore } from "./store.ts";

/** What the handlers work on. */
export interface OrderHandlerOptions {
  readonly store: OrderStore;
  readonly changes: OrderChanges;
  /** Is told that there are new orders to be paid, after the commit. */
  readonly onPlaced: () => void;
  /** Who makes the call that this metadata came with. */
  readonly callerOf: (metadata: Metadata) => string;
  /** Which call in a trace it is, as a `traceparent`: its orders are paid in the same trace. */
  readonly traceParentOf?: (metadata: Metadata) => string | undefined;
  /** Is told why, when a call is answered that the database cannot be used. */
  readonly onUnavailable?: (error: unknown) => void;
}

/** The page size of a request that names none. */
const defaultPageSize = 50;

const orderList = `${OrderService.typeName}/ListOrders`;

/** The longest import: all of it is in memory and in one transaction, which no other write gets past. */
const maxImportedOrders = 1_000;

/** The lines of all orders of an import: they, and not the orders, are what takes the time. All are written in some 100 ms. */
const maxImportedLines = 10_000;

/** The methods of order.v1.OrderService. */
export function orderHandlers(options: OrderHandlerOptions): Handlers<typeof OrderService> {
  const { store, changes, onPlaced, callerOf, traceParentOf, onUnavailable } = options;

  async function answer<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw rpcError(error, onUnavailable);
    }
  }

  async function place(metadata: Metadata, requests: readonly OrderRequest[]): Promise<readonly Order[]> {
    const orders = await store.place(callerOf(metadata), requests, traceParentOf?.(metadata));
    onPlaced();
    return orders;
  }

  async function find(client: string, orderId: string): Promise<Order> {
    const order = await store.find(client, orderId);
    if (order === undefined) throw new OrderError("NOT_FOUND");
    return order;
  }

  async function* watch(client: string, orderId: string, signal: AbortSignal): AsyncGenerator<Order> {
    // Before the first look: what changes after it wakes us.
    using watched = changes.watch(orderId);
    let told: Order | undefined;
    while (told?.state !== "PAID" && told?.state !== "DECLINED") {
      const order = await find(client, orderId);
      if (order.state !== told?.state) yield order;
      told = order;
      if (order.state === "PENDING") await watched.changed(signal);
    }
  }

  return {
    createOrder: (request, { metadata }) =>
      answer(async () => {
        const [order] = await place(metadata, [orderRequest(OrderService.method.createOrder, request)]);
        if (order === undefined) throw new Error("An order was placed and is not there.");
        return { order: orderMessage(order) };
      }),

    importOrders: (requests, { metadata }) =>
      answer(async () => {
        const imported: OrderRequest[] = [];
        let lines = 0;
        for await (const request of requests) {
          if (imported.length === maxImportedOrders) throw new OrderError("TOO_MANY_ORDERS");
          lines += request.lines.length;
          if (lines > maxImportedLines) throw new OrderError("TOO_MANY_LINES");
          imported.push(orderRequest(OrderService.method.importOrders, request));
        }
        const orders = await place(metadata, imported);
        return { orderIds: orders.map((order) => order.orderId) };
      }),

    getOrder: ({ orderId }, { metadata }) =>
      answer(async () => ({ order: orderMessage(await find(callerOf(metadata), orderId)) })),

    listOrders: ({ pageSize, pageToken }, { metadata }) =>
      answer(async () => {
        const client = callerOf(metadata);
        const size = pageSize === 0 ? defaultPageSize : pageSize;
        // One more than asked for tells whether there is another page.
        const orders = await store.ordersAfter(client, {
          after: decodePageToken(pageToken, orderList),
          limit: size + 1,
        });
        const page = orderMessagesThatFit(orders.slice(0, size));
        const last = page.at(-1);
        const more = orders.length > page.length && last !== undefined;
        return {
          orders: [...page],
          nextPageToken: more ? encodePageToken({ list: orderList, after: last.orderId }) : "",
        };
      }),

    async *watchOrder({ orderId }, { metadata, signal }) {
      try {
        for await (const order of watch(callerOf(metadata), orderId, signal)) yield { order: orderMessage(order) };
      } catch (error) {
        throw rpcError(error, onUnavailable);
      }
    },
  };
}

type PlacingMethod = typeof OrderService.method.createOrder | typeof OrderService.method.importOrders;

function orderRequest<M extends PlacingMethod & DescMethod>(
  method: M,
  request: MessageShape<M["input"]>,
): OrderRequest {
  const { requestId } = request;
  const [first, ...rest] = request.lines.map(orderLine);
  if (first === undefined) throw new TypeError("An order needs a line.");
  const lines = [first, ...rest] as const;
  return { requestId, fingerprint: requestFingerprint(method, request), lines, total: totalOf([first, ...rest]) };
}

function orderLine({ sku, quantity, unitPrice }: OrderLineMessage): OrderLine {
  if (unitPrice === undefined) throw new TypeError("A line needs a price.");
  const { currencyCode, minorUnits } = unitPrice;
  return { sku, quantity, unitPrice: { currencyCode, minorUnits } };
}

// REQUEST_REUSED: it is the earlier request that makes this one wrong, and no retry of it can succeed, which is what
// FAILED_PRECONDITION says. ALREADY_EXISTS would be taken for success by clients that retry a creation.
const answers: Readonly<Record<OrderFailure, readonly [status, string]>> = {
  NOT_FOUND: [status.NOT_FOUND, "There is no such order."],
  REQUEST_REUSED: [status.FAILED_PRECONDITION, "This request_id was used for another request."],
  MIXED_CURRENCIES: [status.INVALID_ARGUMENT, "All lines of an order are in one currency."],
  TOTAL_TOO_LARGE: [status.INVALID_ARGUMENT, "The total of an order is at most 1000000000 minor units."],
  TOO_MANY_ORDERS: [status.INVALID_ARGUMENT, `An import has at most ${maxImportedOrders} orders.`],
  TOO_MANY_LINES: [status.INVALID_ARGUMENT, `The orders of an import have at most ${maxImportedLines} lines.`],
  PAGE_UNKNOWN: [status.INVALID_ARGUMENT, "The page token is not one that this list gave out."],
};

function rpcError(error: unknown, onUnavailable: OrderHandlerOptions["onUnavailable"]): unknown {
  if (error instanceof OrderError) return new RpcError(...answers[error.failure]);
  if (error instanceof ChangesClosedError)
    return new RpcError(status.UNAVAILABLE, "The server is closing: watch the order again.");
  if (isDatabaseUnavailable(error)) {
    onUnavailable?.(error);
    return new RpcError(status.UNAVAILABLE, "The database cannot be used now: send the same request again.");
  }
  return error;
}
