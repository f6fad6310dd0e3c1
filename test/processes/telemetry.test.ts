import { channelsTo, tokensOf, withToken } from "@zero-trust/infra/callers";
import type { ServiceProcess } from "@zero-trust/infra/service-process";
import { newStackFolder, type Stack, startStack } from "@zero-trust/infra/stack";
import { OrderService, OrderState } from "@zero-trust/proto/order/v1";
import { createClient } from "@zero-trust/rpc";
import { metricTable, prometheusName } from "@zero-trust/server";
import { type Scrape, scrape, valueIn } from "@zero-trust/testkit/telemetry";
import { afterAll, beforeAll, expect, test } from "vitest";
import { newOrder } from "../attacks/credentials.ts";

const opened = new AsyncDisposableStack();
let stack: Stack;
beforeAll(async () => {
  stack = opened.use(await startStack(newStackFolder("telemetry"), { environment: { ZT_METRICS_PORT: "0" } }));
});
afterAll(() => opened.disposeAsync());

const services = ["order", "payment", "issuer"] as const;
/** Where a service has said that its metrics are. */
function metricsPortOf({ log }: ServiceProcess): number {
  return Number(log.find(({ msg }) => String(msg).startsWith("metrics are served"))?.["port"]);
}
const look = (service: (typeof services)[number]): Promise<Scrape> => scrape(metricsPortOf(stack[service]));

test("an order that is paid is seen in the metrics of all three services", async () => {
  const scopes = ["read:orders", "write:orders"];
  const channels = opened.adopt(channelsTo(stack, "storefront", "order"), (them) => them.close());
  const orders = createClient(OrderService, withToken(channels, tokensOf(stack, "storefront", "order", scopes)));
  const { order } = await orders.createOrder(newOrder());
  let state: OrderState | undefined;
  for await (const { order: seen } of orders.watchOrder({ orderId: order?.orderId ?? "" })) state = seen?.state;
  expect(state).toBe(OrderState.PAID);

  const [ofOrder, ofPayment, ofIssuer] = await Promise.all(services.map(look));
  const called = (found: Scrape | undefined, metric: string, method: string) =>
    valueIn(found ?? new Map(), `${metric}_count`, { rpc_method: method, rpc_status_code: "OK" });
  expect(called(ofOrder, "rpc_server_call_duration", "order.v1.OrderService/CreateOrder")).toBe(1);
  for (const method of ["CreatePayment", "CapturePayment"]) {
    expect(called(ofOrder, "rpc_client_call_duration", `payment.v1.PaymentService/${method}`)).toBe(1);
    expect(called(ofPayment, "rpc_server_call_duration", `payment.v1.PaymentService/${method}`)).toBe(1);
  }
  expect(valueIn(ofIssuer ?? new Map(), "zt_token_requests_total", { outcome: "issued" })).toBe(2);
  expect(valueIn(ofOrder ?? new Map(), "zt_outbox_orders")).toBe(0);
  expect(valueIn(ofPayment ?? new Map(), "zt_nonces_remembered")).toBe(2);
});

test("every metric of the table is exported by some service", async () => {
  const all = (await Promise.all(services.map(look))).flatMap((found) => [...found.keys()]);
  const exported = new Set(all.map((name) => name.replace(/_(?:count|sum|bucket)$/u, "")));
  // What has not happened has no series yet.
  const quiet = ["zt.handshakes.refused", "zt.spans"];
  const missing = Object.keys(metricTable)
    .filter((name) => !quiet.includes(name))
    .filter((name) => !exported.has(prometheusName(name as keyof typeof metricTable)));
  expect(missing).toEqual([]);
});
