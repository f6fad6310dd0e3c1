import { channelsTo, tokensOf, withToken } from "@zero-trust/infra/callers";
import { rawCall } from "@zero-trust/infra/raw-call";
import type { ServiceProcess } from "@zero-trust/infra/service-process";
import { newStackFolder, type Stack, startStack } from "@zero-trust/infra/stack";
import { OrderService, OrderState } from "@zero-trust/proto/order/v1";
import { createClient } from "@zero-trust/rpc";
import { createLog, metricTable, prometheusName, startTelemetry, type Telemetry } from "@zero-trust/server";
import {
  type CollectedSpan,
  type Scrape,
  type SpanCollector,
  scrape,
  startSpanCollector,
  valueIn,
} from "@zero-trust/testkit/telemetry";
import { afterAll, beforeAll, expect, test } from "vitest";
import { newOrder } from "../attacks/credentials.ts";
import { SecretSearch } from "../attacks/secret-search.ts";
import { findPrometheus, startPrometheus } from "./prometheus-server.ts";

const opened = new AsyncDisposableStack();
let collector: SpanCollector;
let stack: Stack;
let storefront: Telemetry;
beforeAll(async () => {
  collector = opened.use(await startSpanCollector());
  const environment = { ZT_METRICS_PORT: "0", ZT_OTLP_ENDPOINT: collector.endpoint };
  stack = opened.use(await startStack(newStackFolder("telemetry"), { environmentOf: () => environment }));
  const log = createLog({ name: "storefront", level: "silent" });
  storefront = opened.adopt(
    await startTelemetry({ log, service: "storefront", otlpEndpoint: collector.endpoint }),
    async (it) => await it.close(),
  );
});
afterAll(() => opened.disposeAsync());

const services = ["order", "payment", "issuer"] as const;
/** Where a service has said that its metrics are. */
function metricsPortOf({ log }: ServiceProcess): number {
  return Number(log.find(({ msg }) => String(msg).startsWith("metrics are served"))?.["port"]);
}
const look = (service: (typeof services)[number]): Promise<Scrape> => scrape(metricsPortOf(stack[service]));

/** Places an order as the storefront, and waits until it is paid. */
async function payForAnOrder(): Promise<void> {
  const scopes = ["read:orders", "write:orders"];
  const channels = opened.adopt(channelsTo(stack, "storefront", "order"), (them) => them.close());
  const authenticated = withToken(channels, tokensOf(stack, "storefront", "order", scopes));
  const orders = createClient(OrderService, storefront.channels(authenticated));
  const { order } = await orders.createOrder(newOrder());
  let state: OrderState | undefined;
  for await (const { order: seen } of orders.watchOrder({ orderId: order?.orderId ?? "" })) state = seen?.state;
  expect(state).toBe(OrderState.PAID);
}

test("an order that is paid is seen in the metrics of all three services", async () => {
  await payForAnOrder();
  const [ofOrder, ofPayment, ofIssuer] = await Promise.all(services.map(look));
  const called = (found: Scrape | undefined, metric: string, method: string) =>
    valueIn(found ?? new Map(), `${metric}_count`, { rpc_method: method, rpc_status_code: "OK" });
  expect(called(ofOrder, "rpc_server_call_duration", "order.v1.OrderService/CreateOrder")).toBe(1);
  // On a busy machine an attempt that takes too long is made again.
  for (const method of ["CreatePayment", "CapturePayment"]) {
    expect(called(ofOrder, "rpc_client_call_duration", `payment.v1.PaymentService/${method}`)).toBeGreaterThanOrEqual(
      1,
    );
    expect(called(ofPayment, "rpc_server_call_duration", `payment.v1.PaymentService/${method}`)).toBeGreaterThanOrEqual(
      1,
    );
  }
  expect(valueIn(ofIssuer ?? new Map(), "zt_token_requests_total", { outcome: "issued" })).toBe(2);
  expect(valueIn(ofOrder ?? new Map(), "zt_outbox_orders")).toBe(0);
  const [ends, shownEnds] = ["certificate", "shown"].map((what) =>
    valueIn(ofOrder ?? new Map(), "zt_tls_expiry_timestamp_seconds", { what }),
  );
  expect(shownEnds).toBe(ends);
  expect(valueIn(ofPayment ?? new Map(), "zt_nonces_remembered")).toBeGreaterThanOrEqual(2);
});

test("every metric of the table is exported by some service", async () => {
  const all = (await Promise.all(services.map(look))).flatMap((found) => [...found.keys()]);
  const exported = new Set(all.map((name) => name.replace(/_(?:count|sum|bucket)$/u, "")));
  // What has not happened has no series yet.
  const quiet = ["zt.handshakes.refused"];
  const missing = Object.keys(metricTable)
    .filter((name) => !quiet.includes(name))
    .filter((name) => !exported.has(prometheusName(name as keyof typeof metricTable)));
  expect(missing).toEqual([]);
});

test("an order and its payment are one trace, from the storefront to the payment service, with every decision", async () => {
  const createOrder = (span: CollectedSpan) => span.name === "order.v1.OrderService/CreateOrder";
  const called = ({ service, kind, name }: CollectedSpan) => `${service} ${kind} ${name}`;
  const ofTrace = () => {
    const traceId = collector.spans.find((span) => createOrder(span) && span.service === "storefront")?.traceId;
    return collector.spans.filter((span) => span.traceId === traceId);
  };
  await expect.poll(() => new Set(ofTrace().map(called)).size, { timeout: 20_000 }).toBe(6);
  const spans = ofTrace();
  const parentOf = ({ parentSpanId }: CollectedSpan) => spans.find(({ spanId }) => spanId === parentSpanId);
  const line = (span: CollectedSpan): string => {
    const { attributes } = span;
    const decision = [attributes["zt.decision.outcome"], attributes["zt.client"], attributes["zt.rule"]].filter(
      Boolean,
    );
    const parent = parentOf(span);
    const below = parent === undefined ? [] : [`below ${parent.service} ${parent.kind} ${parent.name.split("/")[1]}`];
    return [called(span), ...below, ...decision].join(", ");
  };
  expect([...new Set(spans.map(line))].sort()).toEqual([
    "order client payment.v1.PaymentService/CapturePayment, below order server CreateOrder",
    "order client payment.v1.PaymentService/CreatePayment, below order server CreateOrder",
    "order server order.v1.OrderService/CreateOrder, below storefront client CreateOrder, allowed, storefront, BEARER write:orders",
    "payment server payment.v1.PaymentService/CapturePayment, below order client CapturePayment, allowed, order-service, MTLS+BEARER+HMAC write:payments",
    "payment server payment.v1.PaymentService/CreatePayment, below order client CreatePayment, allowed, order-service, MTLS+BEARER+HMAC write:payments",
    "storefront client order.v1.OrderService/CreateOrder",
  ]);
});

test("no secret of the deployment is in a metric or a span, in any form, wherever callers put it", async () => {
  const { deployment } = stack;
  const secrets = new Map([
    ["API key", Buffer.from(deployment.apiKey)],
    ["signing secret", Buffer.from(deployment.signing["order-service"].secret.expose())],
    ["client secret", Buffer.from(deployment.partnerSecret)],
    ["token", Buffer.from(await tokensOf(stack, "storefront", "order", ["read:orders"]).token())],
  ]);
  const search = new SecretSearch(secrets);
  expect(search.overlooks()).toBe(false);
  const channels = opened.adopt(channelsTo(stack, "storefront", "order"), (them) => them.close());
  const message = new Uint8Array();
  const listOrders = "/order.v1.OrderService/ListOrders";
  for (const secret of [...secrets.values()].map(String)) {
    const misplaced = [
      { path: `/${secret}/${secret}`, message },
      { path: listOrders, message, metadata: { authorization: `Bearer ${secret}` } },
      ...["traceparent", "tracestate", "baggage", "x-api-key", "user-agent", secret.toLowerCase()].map((key) => ({
        path: listOrders,
        message,
        metadata: { [key]: secret },
      })),
    ];
    // The token where it belongs is let in; nothing else is.
    for (const call of misplaced) await rawCall({ channels, ...call }).catch(() => undefined);
  }
  // The spans of these calls have arrived, with those that are refused.
  const refused = () => collector.spans.filter(({ name, service }) => name === "_OTHER" && service === "order").length;
  await expect.poll(refused, { timeout: 20_000 }).toBe(secrets.size);
  const metrics = await Promise.all(
    services.map(
      async (service) => await (await fetch(`http://127.0.0.1:${metricsPortOf(stack[service])}/metrics`)).text(),
    ),
  );
  const written = [...collector.received, ...metrics].join("\n");
  expect(written.length).toBeGreaterThan(10_000);
  expect(search.namesIn(written)).toEqual([]);
});

const hasPrometheus = findPrometheus();
if (!hasPrometheus)
  console.warn("NOT TRIED: Prometheus is missing (bash test/fleet/install-servers.sh brings Debian's).");

test.runIf(hasPrometheus)(
  "a real Prometheus takes what the services say, and its alerts find nothing amiss",
  async () => {
    const ports = Object.fromEntries(services.map((service) => [service, metricsPortOf(stack[service])]));
    await using prometheus = await startPrometheus(ports);
    const patience = { timeout: 40_000 };
    const asked = async (expr: string) => {
      const found = await prometheus.query(expr).catch(() => []);
      return Object.fromEntries(found.map(({ metric, value }) => [metric["service"] ?? "all", value]));
    };
    await expect.poll(() => asked("up"), patience).toEqual({ order: 1, payment: 1, issuer: 1 });
    const paid = await asked('sum by (service) (zt_decisions_total{outcome="allowed",rpc_method=~"payment.*"})');
    expect(paid).toEqual({ payment: expect.toSatisfy((count: number) => count >= 2) as number });
    expect(await asked("zt_ready")).toEqual({ order: 1, payment: 1, issuer: 1 });
    const ends = await asked('zt_tls_expiry_timestamp_seconds{what="certificate"} - time()');
    for (const seconds of Object.values(ends)) expect(seconds).toBeGreaterThan(20 * 3600);

    // Each has been worked out once, from what there is.
    const notWell = async () => (await prometheus.alerts()).filter(({ health }) => health !== "ok");
    await expect.poll(notWell, patience).toEqual([]);
    expect((await prometheus.alerts()).filter(({ state }) => state === "firing")).toEqual([]);
  },
);
