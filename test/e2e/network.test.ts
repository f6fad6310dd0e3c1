// What only a network and its engine can show: cuts, limits of resources, and other hosts.
import { gzipSync } from "node:zlib";
import { OrderService, OrderState } from "@zero-trust/proto/order/v1";
import { grpcMessage } from "@zero-trust/testkit";
import { beforeAll, expect, test } from "vitest";
import { attackerOf, statusIn } from "../attacks/attackers.ts";
import { callOn, onTheWire } from "../attacks/call.ts";
import { bearerOf, newOrder } from "../attacks/credentials.ts";
import { placedOrder } from "../attacks/placed-order.ts";
import { type ContainerStack, startContainers } from "../stack/container-stack.ts";
import { docker } from "../stack/containers/docker.ts";

const { createOrder, getOrder, watchOrder } = OrderService.method;

let stack: ContainerStack;
beforeAll(async () => {
  stack = await startContainers();
  return () => stack[Symbol.asyncDispose]();
});

test("an order that is placed while payment is cut off from the network is paid when it is back, and charged once", async () => {
  const before = await stack.effects();
  const metadata = await bearerOf(stack, "storefront", "order", ["read:orders", "write:orders"]);
  const { network, payment } = stack;
  const alias = "payment-service.production.internal";
  await docker("network", "disconnect", network, payment.id);
  const placed = await callOn(stack, createOrder, { as: "storefront", metadata, message: newOrder() });
  expect(placed.status).toBe("OK");
  const orderId = placed.messages[0]?.order?.orderId ?? "";
  const read = await callOn(stack, getOrder, { as: "storefront", metadata, message: { orderId } });
  expect(read.messages[0]?.order?.state).toBe(OrderState.PENDING);
  await docker("network", "connect", "--alias", alias, network, payment.id);
  const watched = await callOn(stack, watchOrder, {
    as: "storefront",
    metadata,
    message: { orderId },
    timeoutMs: 90_000,
  });
  expect(watched.messages.at(-1)?.order?.state).toBe(OrderState.PAID);
  expect(await stack.effects()).toMatchObject({ orders: before.orders + 1, charges: before.charges + 1, ledgerSum: 0 });
});

test("a service that is stopped for a while goes on where it was", async () => {
  const started = await stack.payment.startedAs();
  await stack.payment.pause();
  const metadata = await bearerOf(stack, "storefront", "order", ["read:orders", "write:orders"]);
  const placed = await callOn(stack, createOrder, { as: "storefront", metadata, message: newOrder() });
  expect(placed.status).toBe("OK");
  await stack.payment.resume();
  const message = { orderId: placed.messages[0]?.order?.orderId ?? "" };
  const watched = await callOn(stack, watchOrder, { as: "storefront", metadata, message, timeoutMs: 90_000 });
  expect(watched.messages.at(-1)?.order?.state).toBe(OrderState.PAID);
  expect(await stack.payment.startedAs()).toBe(started);
});

test("decompression bombs do not fill a container of 192 MB", async () => {
  const { order } = stack;
  const limit = 192 * 1024 * 1024;
  await docker("update", "--memory", String(limit), "--memory-swap", String(limit), order.id);
  const started = await order.startedAs();
  const { authorization = "" } = await bearerOf(stack, "storefront", "order", ["write:orders"]);
  // 60 MB in 60 kB, which is a message that order takes.
  const bomb = grpcMessage(gzipSync(Buffer.alloc(60 * 2 ** 20)), { compressed: true });
  const { path } = onTheWire(createOrder);
  await using attack = attackerOf(stack, "order", "storefront");
  const session = await attack.session();
  const headers = [
    ["grpc-encoding", "gzip"],
    ["authorization", authorization],
  ] as const;
  const bombs = Array.from({ length: 80 }, () => session.call({ path, headers, body: [bomb] }));
  expect(new Set((await Promise.all(bombs)).map(statusIn))).toEqual(new Set(["RESOURCE_EXHAUSTED"]));
  expect(await order.startedAs()).toBe(started);
  expect(await docker("inspect", "--format", "{{.State.OOMKilled}}", order.id)).toBe("false");
  const { orderId } = await placedOrder(stack);
  expect(orderId).toMatch(/^ord_/);
});

test("the services reach each other, and no other host", async () => {
  const connects = (host: string, port: number) =>
    stack.payment.evaluate(
      `await new Promise((resolve) => {
        const socket = require("node:net").connect({ host: "${host}", port: ${port} });
        const say = (what) => resolve(what, socket.destroy());
        socket.setTimeout(3000, () => say("no answer"));
        socket.on("connect", () => say("connected")).on("error", (error) => say(error.code));
      })`,
    );
  expect(await connects("issuer.production.internal", 50_051)).toBe("connected");
  // The gateway stands on the engine's own network, too, where it listens.
  const [address = ""] = (await docker("inspect", "--format", "{{.NetworkSettings.IPAddress}}", stack.gatewayId)).split(
    "\n",
  );
  expect(address).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
  expect(await connects(address, 7_001)).not.toBe("connected");
});
