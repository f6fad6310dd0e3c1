import { OrderService, OrderState } from "@zero-trust/proto/order/v1";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { expect, vi } from "vitest";
import type { Effects } from "../stack/relay/count-effects.ts";
import { bearerOf, newOrder, newPayment, payingCall } from "./credentials.ts";
import { scenariosOn } from "./scenario.ts";
import { survivalOf } from "./survival.ts";
import type { Trial } from "./trial.ts";

const { createOrder, watchOrder } = OrderService.method;
const { createPayment } = PaymentService.method;
const scenario = scenariosOn();
const survives = survivalOf("payment");

/** How long an order may take that met an outage on its way, in milliseconds. */
const outageMs = 45_000;
const scopes = ["read:orders", "write:orders"];

/** Places an order of the storefront; gives its id. */
async function place(trial: Trial): Promise<string> {
  const metadata = await bearerOf(trial.stack, "storefront", "order", scopes);
  const { messages } = await trial.call(createOrder, { as: "storefront", message: newOrder(), metadata });
  return messages[0]?.order?.orderId ?? "";
}

/** Waits for the end of an order of the storefront: it is served when it is paid. */
async function end(trial: Trial, orderId: string): Promise<string> {
  const metadata = await bearerOf(trial.stack, "storefront", "order", scopes);
  const call = { as: "storefront", message: { orderId }, metadata, timeoutMs: outageMs } as const;
  const { status, messages } = await trial.call(watchOrder, call);
  return messages.at(-1)?.order?.state === OrderState.PAID ? "served" : `not paid: ${status}`;
}

/** Sees that so many orders were placed, and each was paid with one charge and the two lines of its ledger. */
async function eachPaidOnce(trial: Trial, before: Effects, orders: number): Promise<void> {
  const after = await trial.settled();
  const each = { orders, payments: orders, charges: orders, ledgerLines: 2 * orders };
  const grown = Object.fromEntries(
    Object.keys(each).map((name) => [name, after[name as keyof Effects] - before[name as keyof Effects]]),
  );
  expect(grown).toEqual(each);
  expect(after.ledgerSum).toBe(0);
}

scenario(
  "P13",
  "a handler whose database fails answers without a word of it, and serves when it is repaired",
  async (trial) => {
    const message = newPayment();
    const pay = async () => await trial.call(createPayment, await payingCall(trial.stack, message));
    const log = await trial.recordsSince("payment");
    await survives(trial, "a table that is gone", async () => {
      await trial.stack.alter("acquirer", "ALTER TABLE authorizations RENAME TO gone");
      const { status, details, trailers } = await pay();
      await trial.stack.alter("acquirer", "ALTER TABLE gone RENAME TO authorizations");
      trial.observe("a handler that rejects", "INTERNAL", status);
      expect(`${details} ${JSON.stringify(trailers.getMap())}`).not.toMatch(/table|sqlite|authorizations/i);
    });
    // For the operator it is in the log.
    await expect.poll(async () => JSON.stringify(await log())).toContain("no such table");
    trial.observe("the same request, when the table is there again", "OK", (await pay()).status);
  },
);

scenario(
  "P15",
  "what was acknowledged is charged once, though payment is killed between charge and answer",
  async (trial) => {
    trial.restarts("payment");
    const { payment, relays } = trial.stack;
    const before = await trial.settled();
    const log = await trial.recordsSince("order");
    // Every answer is this long on its way; with its connection it is lost.
    await relays.payment.become({ kind: "delay", ms: 500 });
    const placed = await place(trial);
    const isCharged = async () => (await trial.stack.effects()).charges > before.charges;
    await vi.waitUntil(isCharged, { timeout: outageMs, interval: 5 });
    await relays.payment.become({ kind: "refuse" });
    await payment.stop("SIGKILL");
    // order has not heard of it, and has to ask again.
    const lost = async () =>
      (await log()).some(({ msg, orderId }) => msg === "payment not settled yet" && orderId === placed);
    await expect.poll(lost, { timeout: outageMs }).toBe(true);
    await payment.restart();
    await relays.payment.become({ kind: "pass" });
    const observed = await end(trial, placed);
    trial.observe("payment is killed when it has charged, and before order knows", "served", observed);
    await eachPaidOnce(trial, before, 1);
  },
);

scenario(
  "P15",
  "an order that was acknowledged is paid once, though order is killed before it has called",
  async (trial) => {
    trial.restarts("order");
    const { order, relays } = trial.stack;
    const before = await trial.settled();
    await relays.payment.become({ kind: "refuse" });
    const placed = [await place(trial), await place(trial)];
    await order.stop("SIGKILL");
    expect((await trial.stack.effects()).payments).toBe(before.payments);
    await relays.payment.become({ kind: "pass" });
    await order.restart();
    for (const each of placed) {
      const observed = await end(trial, each);
      trial.observe("order is killed between its outbox and the call", "served", observed);
    }
    await eachPaidOnce(trial, before, 2);
  },
);
