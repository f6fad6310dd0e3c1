import { hmac } from "@zero-trust/auth/client";
import { OrderState } from "@zero-trust/proto/order/v1";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { beforeAll, expect, test } from "vitest";
import { onTheWire } from "./container-caller.ts";
import { type ContainerStack, startContainers } from "./container-stack.ts";
import { effectsOf } from "./effects.ts";
import { type Storefront, storefrontOf } from "./storefront.ts";

let stack: ContainerStack;
let storefront: Storefront;

beforeAll(async () => {
  stack = await startContainers();
  return () => stack[Symbol.asyncDispose]();
});
beforeAll(async () => {
  storefront = await storefrontOf(stack);
});

test("P15: orders that were acknowledged are paid and charged once each, though payment is killed among them", async () => {
  const first = await storefront.place();
  expect((await storefront.watch(first.orderId)).state).toBe(OrderState.PAID);

  // Killed while it works on these, at whatever point each of them is.
  const placing = Promise.all(Array.from({ length: 6 }, () => storefront.place()));
  await stack.payment.kill();
  const underWay = await placing;
  const meanwhile = [await storefront.place(), await storefront.place()];
  await stack.payment.restart();

  for (const { orderId } of [...underWay, ...meanwhile]) {
    expect((await storefront.watch(orderId)).state).toBe(OrderState.PAID);
  }
  expect(await effectsOf(stack)).toEqual({ orders: 9, payments: 9, ledgerLines: 18, charges: 9 });
});

test("H2: a signed request that was served is not served again after a restart", async () => {
  const { id: keyId, secret } = stack.deployment.signing.storefront;
  const { paymentId } = await storefront.watch((await storefront.place()).orderId);
  const message = { paymentId };
  const { path, bytes } = onTheWire(PaymentService.method.getPayment, message);
  const sign = () => hmac({ keyId, secret }).present({ path, message: async () => bytes });
  const call = (metadata: Readonly<Record<string, string>>) =>
    stack.caller.call(PaymentService.method.getPayment, { as: "storefront", message, metadata });

  const signed = await sign();
  expect(await call(signed)).toMatchObject({ code: "OK" });
  await stack.payment.kill();
  await stack.payment.restart();
  // It cannot know what it served before, and says so.
  expect(await call(signed)).toMatchObject({ code: "UNAVAILABLE", reason: "CHECK_UNAVAILABLE" });
  // Later on, too, when it takes new signatures.
  await expect.poll(async () => (await call(await sign())).code, { timeout: 30_000 }).toBe("OK");
  expect(await call(signed)).toMatchObject({ code: "UNAVAILABLE", reason: "CHECK_UNAVAILABLE" });
});
