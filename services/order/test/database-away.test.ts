import { status } from "@grpc/grpc-js";
import { locationOn } from "@zero-trust/database/test/databases";
import { OrderState } from "@zero-trust/proto/order/v1";
import { startPostgres } from "@zero-trust/testkit/servers";
import { expect, test, vi } from "vitest";
import { networkTo } from "./network.ts";
import { paymentDouble } from "./payment-double.ts";
import { type CredentialsOf, startOrder } from "./start-order.ts";

const all = (as: CredentialsOf) => [as.token("read:orders write:orders")];
const asked = (number: number) => ({
  requestId: `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`,
  lines: [{ sku: "BOOK", quantity: 2, unitPrice: { currencyCode: "EUR", minorUnits: 1250n } }],
});
const unavailable = {
  code: status.UNAVAILABLE,
  message: "The database cannot be used now: send the same request again.",
};
const patience = { timeout: 20_000, interval: 50 };
const ready = (log: readonly string[]) =>
  log.filter((line) => line.includes('"dependency":"store"')).map((line) => (JSON.parse(line) as { msg: string }).msg);

test("a database that crashes under calls: UNAVAILABLE until it is back, then everything that was acknowledged is there and paid", async () => {
  await using server = await startPostgres();
  const double = paymentDouble();
  await using order = await startOrder(double.payments, locationOn(server, server.database));
  const storefront = await order.clientAs("storefront", all);
  const acknowledged: string[] = [];
  const place = async (number: number) => {
    const placed = await storefront.createOrder(asked(number));
    acknowledged.push(placed.order?.orderId ?? "");
  };
  await place(1);

  const underWay = Array.from({ length: 20 }, (_, number) => place(number + 2).catch((error: unknown) => error));
  await server.stop("SIGQUIT");
  // Those that were not answered in time are told so.
  const refused = (await Promise.all(underWay)).filter((error) => error !== undefined);
  expect(refused).toMatchObject(refused.map(() => unavailable));
  await expect(storefront.createOrder(asked(100))).rejects.toMatchObject(unavailable);
  await expect(storefront.getOrder({ orderId: acknowledged[0] ?? "" })).rejects.toMatchObject(unavailable);
  await expect(storefront.listOrders({})).rejects.toMatchObject(unavailable);
  const watching = storefront.watchOrder({ orderId: acknowledged[0] ?? "" })[Symbol.asyncIterator]();
  await expect(watching.next()).rejects.toMatchObject(unavailable);
  await vi.waitFor(() => expect(ready(order.log)).toEqual(["not ready"]), patience);

  await server.start();
  await vi.waitFor(() => expect(ready(order.log)).toEqual(["not ready", "ready again"]), patience);
  // The same requests again, whatever has become of them.
  await Promise.all(Array.from({ length: 21 }, (_, number) => place(number + 1)));
  const { orders } = await storefront.listOrders({ pageSize: 100 });
  expect(new Set(orders.map((one) => one.orderId))).toEqual(new Set(acknowledged));
  expect(orders).toHaveLength(21);
  await vi.waitFor(async () => {
    const now = await storefront.listOrders({ pageSize: 100 });
    expect(now.orders.every((one) => one.state === OrderState.PAID)).toBe(true);
  }, patience);
  expect(double.charged.size).toBe(21);
});

test("a database that says nothing any more: UNAVAILABLE in bounded time, and itself again when it speaks", async () => {
  await using server = await startPostgres();
  await using network = await networkTo(server);
  const location = locationOn(server, server.database);
  const postgres = { ...location.postgres, port: network.port, statementTimeoutMs: 1_000, connectTimeoutMs: 500 };
  await using order = await startOrder(paymentDouble().payments, { postgres });
  const storefront = await order.clientAs("storefront", all);
  await storefront.createOrder(asked(1));

  network.swallow(true);
  const began = performance.now();
  const calls = Array.from({ length: 30 }, (_, number) =>
    expect(storefront.createOrder(asked(number + 2))).rejects.toMatchObject(unavailable),
  );
  await Promise.all(calls);
  expect(performance.now() - began).toBeLessThan(10_000);
  await vi.waitFor(() => expect(ready(order.log)).toEqual(["not ready"]), patience);

  network.swallow(false);
  await vi.waitFor(() => expect(ready(order.log)).toEqual(["not ready", "ready again"]), patience);
  await storefront.createOrder(asked(2));
  expect((await storefront.listOrders({})).orders).toHaveLength(2);
});
