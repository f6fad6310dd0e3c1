import { status } from "@grpc/grpc-js";
import { reasonOf } from "@zero-trust/auth";
import { apiKey } from "@zero-trust/auth/client";
import { OrderState } from "@zero-trust/proto/order/v1";
import { RpcError } from "@zero-trust/rpc";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type PaymentDouble, paymentDouble } from "../test/payment-double.ts";
import { type CredentialsOf, type StartedOrder, startOrder } from "../test/start-order.ts";

let order: StartedOrder;
let double: PaymentDouble;
let bankIsOpen: PromiseWithResolvers<void>;
beforeEach(async () => {
  bankIsOpen = Promise.withResolvers();
  double = paymentDouble(() => bankIsOpen.promise);
  order = await startOrder(double.payments);
});
afterEach(async () => {
  bankIsOpen.resolve();
  await order[Symbol.asyncDispose]();
});

const all = (as: CredentialsOf) => [as.token("read:orders write:orders")];
const asked = {
  requestId: "00000000-0000-4000-8000-000000000001",
  lines: [{ sku: "BOOK", quantity: 2, unitPrice: { currencyCode: "EUR", minorUnits: 1250n } }],
};

async function refusal(call: Promise<unknown>) {
  const error = await call.catch((thrown: unknown) => thrown);
  return error instanceof RpcError ? [status[error.code], reasonOf(error)] : error;
}

test("the storefront places an order, watches it until it is paid, and reads it with its key", async () => {
  const storefront = await order.clientAs("storefront", all);
  const placed = await storefront.createOrder(asked);
  const orderId = placed.order?.orderId ?? "";
  const states: (OrderState | undefined)[] = [];
  for await (const { order: seen } of storefront.watchOrder({ orderId })) {
    states.push(seen?.state);
    bankIsOpen.resolve();
  }
  expect(states).toEqual([OrderState.PENDING, OrderState.PAID]);
  expect(double.calls).toEqual([expect.stringMatching(/^create \S+ storefront$/u), expect.stringMatching(/^capture/u)]);

  const withKey = await order.clientAs("reporting", () => [apiKey({ key: order.apiKey })]);
  expect((await withKey.getOrder({ orderId })).order).toMatchObject({ client: "storefront", state: OrderState.PAID });
  expect((await withKey.listOrders({})).orders).toHaveLength(1);
  const partner = await order.clientAs("partner", all);
  expect(await refusal(partner.getOrder({ orderId }))).toEqual(["NOT_FOUND", undefined]);
  expect((await partner.listOrders({})).orders).toEqual([]);
});

test("without a token, or without its scope, nothing is ordered", async () => {
  const bare = await order.clientAs("storefront");
  expect(await refusal(bare.createOrder(asked))).toEqual(["UNAUTHENTICATED", "CREDENTIAL_MISSING"]);
  const reader = await order.clientAs("storefront", (as) => [as.token("read:orders")]);
  expect(await refusal(reader.createOrder(asked))).toEqual(["PERMISSION_DENIED", "SCOPE_MISSING"]);
  const withKey = await order.clientAs("storefront", () => [apiKey({ key: order.apiKey })]);
  expect(await refusal(withKey.createOrder(asked))).toEqual(["UNAUTHENTICATED", "CREDENTIAL_MISSING"]);
  expect((await reader.listOrders({})).orders).toEqual([]);
});

test("a message above what order needs is refused for its size, before it is looked at", async () => {
  const storefront = await order.clientAs("storefront", all);
  const call = storefront.getOrder({ orderId: "o".repeat(100_000) });
  expect(await refusal(call)).toEqual(["RESOURCE_EXHAUSTED", undefined]);
});

test("closing does not wait for those who watch, and finishes the payment that it is at", async () => {
  const storefront = await order.clientAs("storefront", all);
  const { order: placed } = await storefront.createOrder(asked);
  const watching = storefront.watchOrder({ orderId: placed?.orderId ?? "" })[Symbol.asyncIterator]();
  await watching.next();
  const next = watching.next();
  const closing = order.serving.close();
  await expect(next).rejects.toMatchObject({ code: status.UNAVAILABLE });
  bankIsOpen.resolve();
  await closing;
  expect(double.charged.size).toBe(1);
});

test("B22: a watch ends when its token is revoked, and the token opens nothing any more", async () => {
  const storefront = await order.clientAs("storefront", (as) => [
    as.token("read:orders write:orders", { jti: "watcher" }),
  ]);
  const { order: placed } = await storefront.createOrder(asked);
  const watching = storefront.watchOrder({ orderId: placed?.orderId ?? "" })[Symbol.asyncIterator]();
  await watching.next();
  order.revoked.push({ jti: "watcher", exp: Math.floor(Date.now() / 1000) + 300 });
  expect(await refusal(watching.next())).toEqual(["UNAUTHENTICATED", "CREDENTIAL_INVALID"]);
  expect(await refusal(storefront.listOrders({}))).toEqual(["UNAUTHENTICATED", "CREDENTIAL_INVALID"]);
  const other = await order.clientAs("storefront", all);
  expect((await other.listOrders({})).orders).toHaveLength(1);
});
