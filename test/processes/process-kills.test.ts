import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { apiKey, connect } from "@zero-trust/auth/client";
import { channelsTo, tokensOf, withToken } from "@zero-trust/infra/callers";
import type { Workload } from "@zero-trust/infra/names";
import { newStackFolder, type Stack, startStack } from "@zero-trust/infra/stack";
import { OrderService, OrderState } from "@zero-trust/proto/order/v1";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { type Client, createClient } from "@zero-trust/rpc";
import { afterAll, beforeAll, expect, test } from "vitest";

let stack: Stack;
let orders: Client<typeof OrderService>;
let payments: Client<typeof PaymentService>;
const opened = new DisposableStack();
const channels = (from: Workload, service: "order" | "payment") =>
  opened.adopt(channelsTo(stack, from, service), (them) => them.close());

beforeAll(async () => {
  stack = await startStack(newStackFolder("kills"));
  const tokens = tokensOf(stack, "storefront", "order", ["read:orders", "write:orders"]);
  orders = createClient(OrderService, withToken(channels("storefront", "order"), tokens), { timeoutMs: 60_000 });
  const credentials = [apiKey({ key: stack.deployment.apiKey })];
  payments = createClient(PaymentService, connect({ channels: channels("reporting", "payment"), credentials }));
});
afterAll(async () => {
  opened.dispose();
  await stack[Symbol.asyncDispose]();
});

async function place(): Promise<string> {
  const unitPrice = { currencyCode: "EUR", minorUnits: 500n };
  const { order } = await orders.createOrder({
    requestId: randomUUID(),
    lines: [{ sku: "MUG", quantity: 2, unitPrice }],
  });
  return order?.orderId ?? "";
}

async function finalState(orderId: string): Promise<OrderState | undefined> {
  let state: OrderState | undefined;
  for await (const { order } of orders.watchOrder({ orderId })) state = order?.state;
  return state;
}

/** What the acquirer has charged, by its own file. */
function charges(): number {
  const file = new DatabaseSync(join(stack.deployment.folder, "payment/acquirer.sqlite"), { readOnly: true });
  try {
    return Number(file.prepare(CHARGES).get()?.["count"]);
  } finally {
    file.close();
  }
}
const CHARGES = "SELECT count(*) AS count FROM charges";

test("P15: what was acknowledged is completed and charged once, though payment and order are killed", async () => {
  const before = charges();
  const ids = [await place()];
  await stack.payment.stop("SIGKILL");
  ids.push(await place(), await place());
  await stack.order.stop("SIGKILL");
  await stack.payment.restart();
  await stack.order.restart();
  ids.push(await place());
  for (const id of ids) expect(await finalState(id)).toBe(OrderState.PAID);
  expect(charges() - before).toBe(ids.length);

  const { transactions } = await payments.listTransactions({ pageSize: 500 });
  expect(transactions.reduce((sum, line) => sum + line.minorUnits, 0n)).toBe(0n);
  expect(transactions).toHaveLength(2 * ids.length);
}, 60_000);
