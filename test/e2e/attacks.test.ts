import { randomBytes, randomUUID } from "node:crypto";
import { crc32 } from "node:zlib";
import { hmac } from "@zero-trust/auth/client";
import { newApiKey } from "@zero-trust/auth/issue";
import { audiences } from "@zero-trust/infra/names";
import { OrderService, OrderState } from "@zero-trust/proto/order/v1";
import { PaymentService, PaymentState } from "@zero-trust/proto/payment/v1";
import { beforeAll, expect, test } from "vitest";
import { onTheWire } from "./container-caller.ts";
import { type ContainerStack, startContainers } from "./container-stack.ts";
import { effectsOf } from "./effects.ts";
import { newOrder, type Storefront, storefrontOf } from "./storefront.ts";

const { createPayment, getPayment, listTransactions } = PaymentService.method;
const { createOrder } = OrderService.method;

let stack: ContainerStack;
let storefront: Storefront;
let paymentId: string;

beforeAll(async () => {
  stack = await startContainers();
  return () => stack[Symbol.asyncDispose]();
});
beforeAll(async () => {
  storefront = await storefrontOf(stack);
  const { orderId } = await storefront.place();
  // Once it is paid, payment takes signed requests: a nonce store that has just started does not.
  ({ paymentId } = await storefront.watch(orderId));
});

/** The last decision about a method in a service's log. */
async function lastDecision(service: "order" | "payment", method: { readonly name: string }) {
  const records = await stack[service].log();
  return records.findLast(
    (record) => record["log"] === "decision" && String(record["method"]).endsWith(`/${method.name}`),
  );
}

/** The handshakes that payment has refused, by its connection log. */
async function refusedHandshakes(): Promise<number> {
  return (await stack.payment.log()).filter((record) => record["log"] === "connection").length;
}

const newPayment = () => {
  const amount = { currencyCode: "EUR", minorUnits: 100n };
  return { requestId: randomUUID(), client: "storefront", reference: "e2e", amount };
};

/** All that a payment takes besides the certificate. */
async function orderServicesCredentials(message: ReturnType<typeof newPayment>) {
  const { id: keyId, secret } = stack.deployment.signing["order-service"];
  const { path, bytes } = onTheWire(createPayment, message);
  const signature = await hmac({ keyId, secret }).present({ path, message: async () => bytes });
  const token = await stack.caller.token({
    as: "order-service",
    audience: audiences.payment,
    scopes: ["write:payments"],
  });
  return { ...signature, authorization: `Bearer ${token}` };
}

test("M2: a caller without a certificate gets no connection, whatever else it has", async () => {
  const message = newPayment();
  const metadata = await orderServicesCredentials(message);
  const before = await effectsOf(stack);
  const refusedBefore = await refusedHandshakes();
  const decision = await lastDecision("payment", createPayment);

  expect(await stack.caller.call(createPayment, { message, metadata })).toMatchObject({
    code: "UNAVAILABLE",
    reason: undefined,
  });
  await expect.poll(refusedHandshakes).toBe(refusedBefore + 1);
  expect(await lastDecision("payment", createPayment)).toEqual(decision);
  expect(await effectsOf(stack)).toEqual(before);

  const withCertificate = { as: "order-service", message, metadata } as const;
  expect(await stack.caller.call(createPayment, withCertificate)).toMatchObject({ code: "OK" });
});

test("M8: a certificate without grants lets nobody in with stolen credentials, and spends no nonce", async () => {
  const message = newPayment();
  const metadata = await orderServicesCredentials(message);
  const before = await effectsOf(stack);

  expect(await stack.caller.call(createPayment, { as: "stranger", message, metadata })).toMatchObject({
    code: "PERMISSION_DENIED",
    reason: "PEER_NOT_GRANTED",
  });
  expect(await lastDecision("payment", createPayment)).toMatchObject({
    outcome: "refused",
    reason: "PEER_NOT_GRANTED",
    peer: "spiffe://production.internal/stranger",
    credentials: [],
  });
  expect(await effectsOf(stack)).toEqual(before);

  const byItsOwner = { as: "order-service", message, metadata } as const;
  expect(await stack.caller.call(createPayment, byItsOwner)).toMatchObject({ code: "OK" });
  expect(await effectsOf(stack)).toEqual({ ...before, payments: before.payments + 1 });
});

test("K2: an API key that nobody issued and one with a wrong secret get one and the same answer", async () => {
  const listAs = (key: string) =>
    stack.caller.call(listTransactions, { as: "reporting", metadata: { "x-api-key": key }, message: {} });
  const issued = stack.deployment.apiKey;
  const refused = { code: "UNAUTHENTICATED", reason: "CREDENTIAL_INVALID", messages: [] };

  expect(await listAs(newApiKey("live").key.expose())).toEqual(refused);
  expect(await listAs(withAnotherSecret(issued))).toEqual(refused);
  const decision = await lastDecision("payment", listTransactions);
  expect(decision).toMatchObject({ outcome: "refused", reason: "CREDENTIAL_INVALID", credentials: ["API_KEY"] });

  expect(await listAs(issued)).toMatchObject({ code: "OK", messages: [{ transactions: [{}, {}] }] });
});

test("B14: a stolen token is worth nothing with another certificate, neither fresh nor known", async () => {
  const { metadata } = storefront;
  const refused = { code: "UNAUTHENTICATED", reason: "CREDENTIAL_INVALID" };
  const fresh = await storefrontOf(stack);
  const before = await effectsOf(stack);

  const steal = (stolen: Storefront["metadata"]) =>
    stack.caller.call(createOrder, { as: "reporting", metadata: stolen, message: newOrder() });
  expect(await steal(fresh.metadata)).toMatchObject(refused);
  expect(await steal(metadata)).toMatchObject(refused);
  expect(await lastDecision("order", createOrder)).toMatchObject({
    outcome: "refused",
    reason: "CREDENTIAL_INVALID",
    peer: "spiffe://production.internal/reporting",
  });
  expect(await effectsOf(stack)).toEqual(before);

  const { orderId } = await fresh.place();
  expect((await fresh.watch(orderId)).state).toBe(OrderState.PAID);
  expect((await effectsOf(stack)).orders).toBe(before.orders + 1);
});

test("H2: a signed request is served once, and the same bytes are refused after that", async () => {
  const { id: keyId, secret } = stack.deployment.signing.storefront;
  const message = { paymentId };
  const { path, bytes } = onTheWire(getPayment, message);
  const metadata = await hmac({ keyId, secret }).present({ path, message: async () => bytes });
  const call = { as: "storefront", message, metadata } as const;

  expect(await stack.caller.call(getPayment, call)).toMatchObject({
    code: "OK",
    messages: [{ payment: { state: PaymentState.CAPTURED } }],
  });
  expect(await stack.caller.call(getPayment, call)).toEqual({
    code: "UNAUTHENTICATED",
    reason: "CREDENTIAL_REPLAYED",
    messages: [],
  });
  expect(await lastDecision("payment", getPayment)).toMatchObject({
    outcome: "refused",
    reason: "CREDENTIAL_REPLAYED",
    credentialIds: [keyId],
  });
});

/** The same key id and a good checksum, over another secret. */
function withAnotherSecret(key: string): string {
  const body = `${key.slice(0, -51)}${randomBytes(32).toString("base64url")}`;
  return body + crc32(body).toString(16).padStart(8, "0");
}
