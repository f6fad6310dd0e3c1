import { randomUUID } from "node:crypto";
import { toJson } from "@bufbuild/protobuf";
import { type Order, OrderSchema, type OrderService } from "@zero-trust/proto/order/v1";
import type { Client as Calls } from "@zero-trust/rpc";
import { contentOf } from "./content.ts";
import type { Answer, Client, Placing } from "./history.ts";
import type { Random } from "./seeded-random.ts";

/** One article of an order, as it is sent. */
export interface Line {
  readonly sku: string;
  readonly quantity: number;
  readonly unitPrice: { readonly currencyCode: string; readonly minorUnits: bigint };
}

/** A request that places orders, each time it is sent the same. */
export interface OrderRequest extends Placing {
  readonly method: "CreateOrder" | "ImportOrders";
  /** Of each order. */
  readonly lines: readonly (readonly Line[])[];
}

const articles = ["MUG", "T-SHIRT", "POSTER-A2"];
const currencies = ["EUR", "USD"];
/** What the simulated acquirer declines, when it is all that is ordered. */
const DECLINED_MINOR_UNITS = 1013n;

/** A request that nobody has sent yet. */
export function newRequest(
  client: Client,
  method: OrderRequest["method"],
  { orders, random }: { readonly orders: number; readonly random: Random },
): OrderRequest {
  const lines = Array.from({ length: orders }, () => someLines(random));
  const asked = lines.map((each) => ({ requestId: randomUUID(), content: contentAsked(client, each) }));
  return { client, method, lines, orders: asked, answers: [], answeredAttemptAtMs: 0 };
}

function someLines(random: Random): readonly Line[] {
  const currencyCode = currencies[random(currencies.length)] ?? "EUR";
  if (random(10) === 0)
    return [{ sku: "MUG", quantity: 1, unitPrice: { currencyCode, minorUnits: DECLINED_MINOR_UNITS } }];
  return Array.from({ length: 1 + random(3) }, () => ({
    sku: articles[random(articles.length)] ?? "MUG",
    quantity: 1 + random(3),
    unitPrice: { currencyCode, minorUnits: BigInt(1 + random(5000)) },
  }));
}

/** Sends a request once. */
export async function send(orders: Calls<typeof OrderService>, request: OrderRequest): Promise<Answer> {
  const messages = request.orders.map(({ requestId }, at) => ({ requestId, lines: [...(request.lines[at] ?? [])] }));
  if (request.method === "ImportOrders") {
    const { orderIds } = await orders.importOrders(each(messages));
    return { orderIds, text: orderIds.join(" ") };
  }
  const { order } = await orders.createOrder(messages[0] ?? {});
  if (order === undefined) return { orderIds: [], text: "no order" };
  return {
    orderIds: [order.orderId],
    content: contentAnswered(order),
    text: JSON.stringify(toJson(OrderSchema, order)),
  };
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

function contentAsked(client: Client, lines: readonly Line[]): string {
  return contentOf({
    client,
    currencyCode: lines[0]?.unitPrice.currencyCode ?? "",
    totalMinorUnits: lines.reduce((sum, { quantity, unitPrice }) => sum + BigInt(quantity) * unitPrice.minorUnits, 0n),
    lines: lines.map(({ sku, quantity, unitPrice }) => ({ sku, quantity, unitMinorUnits: unitPrice.minorUnits })),
  });
}

/** The content of an order that came from the service. */
export function contentAnswered({ client, total, lines }: Order): string {
  return contentOf({
    client,
    currencyCode: total?.currencyCode ?? "",
    totalMinorUnits: total?.minorUnits ?? 0n,
    lines: lines.map(({ sku, quantity, unitPrice }) => ({
      sku,
      quantity,
      unitMinorUnits: unitPrice?.minorUnits ?? 0n,
    })),
  });
}
