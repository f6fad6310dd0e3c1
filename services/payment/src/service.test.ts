import { status } from "@grpc/grpc-js";
import { reasonOf } from "@zero-trust/auth";
import { apiKey } from "@zero-trust/auth/client";
import type { ApiKeyUse } from "@zero-trust/auth/server";
import { PaymentState } from "@zero-trust/proto/payment/v1";
import { RpcError } from "@zero-trust/rpc";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type CredentialsOf, type StartedPayment, startPayment } from "../test/start-payment.ts";

let payment: StartedPayment;
beforeAll(async () => {
  payment = await startPayment();
});
afterAll(() => payment[Symbol.asyncDispose]());

const all = (as: CredentialsOf) => [as.token("write:payments"), as.signature()];
let requests = 0;
const requestId = () => `00000000-0000-4000-8000-${String(++requests).padStart(12, "0")}`;
const asked = () => ({
  requestId: requestId(),
  client: "storefront",
  reference: "ord_1",
  amount: { currencyCode: "EUR", minorUnits: 2599n },
});

async function refusal(call: Promise<unknown>) {
  const error = await call.catch((thrown: unknown) => thrown);
  return error instanceof RpcError ? [status[error.code], reasonOf(error)] : error;
}

test("order-service has a payment made with certificate, token and signature", async () => {
  const client = await payment.clientAs("order-service", all);
  const created = await client.createPayment(asked());
  const paymentId = created.payment?.paymentId ?? "";
  const captured = await client.capturePayment({ requestId: requestId(), client: "storefront", paymentId });
  expect(captured.payment?.state).toBe(PaymentState.CAPTURED);

  // By certificate alone: the client that it is for, and the one that created it.
  const storefront = await payment.clientAs("storefront");
  expect((await storefront.getPayment({ paymentId })).payment?.state).toBe(PaymentState.CAPTURED);
  const orders = await payment.clientAs("order-service");
  expect((await orders.getPayment({ paymentId, client: "storefront" })).payment?.state).toBe(PaymentState.CAPTURED);
  const partner = await payment.clientAs("partner");
  expect(await refusal(partner.getPayment({ paymentId, client: "storefront" }))).toEqual(["NOT_FOUND", undefined]);

  const reporting = await payment.clientAs("reporting", () => [apiKey({ key: payment.apiKey })]);
  const { transactions } = await reporting.listTransactions({});
  expect(transactions.map((line) => line.minorUnits)).toEqual([2599n, -2599n]);

  const auditor = await payment.clientAs("order-service", (as) => [as.token("read:transactions")]);
  const wrong = async function* () {
    for (const { transactionId, currencyCode } of transactions)
      yield { transactionId, currencyCode, minorUnits: 2599n };
  };
  const differences = [];
  for await (const difference of auditor.reconcileTransactions(wrong())) differences.push(difference.transactionId);
  expect(differences).toEqual([transactions[1]?.transactionId]);
});

test("a payment without the token or without the signature is refused, and charges nothing", async () => {
  const before = await payment.countCharges();
  const unsigned = await payment.clientAs("order-service", (as) => [as.token("write:payments")]);
  expect(await refusal(unsigned.createPayment(asked()))).toEqual(["UNAUTHENTICATED", "CREDENTIAL_MISSING"]);
  const tokenless = await payment.clientAs("order-service", (as) => [as.signature()]);
  expect(await refusal(tokenless.createPayment(asked()))).toEqual(["UNAUTHENTICATED", "CREDENTIAL_MISSING"]);
  const storefront = await payment.clientAs("storefront", all);
  expect(await refusal(storefront.createPayment(asked()))).toEqual(["PERMISSION_DENIED", "PEER_NOT_GRANTED"]);
  expect(await payment.countCharges()).toBe(before);
});

test("a stranger reads nothing", async () => {
  const stranger = await payment.clientAs("stranger");
  const paymentId = `pay_${"0".repeat(32)}`;
  // It might have had a signature, which needs no grant.
  expect(await refusal(stranger.getPayment({ paymentId }))).toEqual(["UNAUTHENTICATED", "CREDENTIAL_MISSING"]);
  expect(await refusal(stranger.listTransactions({}))).toEqual(["UNAUTHENTICATED", "CREDENTIAL_MISSING"]);
});

test("a message above what payment needs is refused for its size, before it is looked at", async () => {
  const storefront = await payment.clientAs("storefront", (as) => [as.signature()]);
  const call = storefront.getPayment({ paymentId: "p".repeat(100_000) });
  expect(await refusal(call)).toEqual(["RESOURCE_EXHAUSTED", undefined]);
});

test("a payment whose decision cannot be written down is not made", async () => {
  const decisions = vi.fn<() => never>(() => {
    throw new Error("no space left on device");
  });
  await using unrecorded = await startPayment({ decisions });
  const client = await unrecorded.clientAs("order-service", all);
  expect(await refusal(client.createPayment(asked()))).toEqual(["UNAVAILABLE", "CHECK_UNAVAILABLE"]);
  expect(decisions).toHaveBeenCalledWith(expect.objectContaining({ outcome: "allowed" }));
  expect(await unrecorded.countCharges()).toBe(0);
});

test("it is told which API key was used", async () => {
  const apiKeyUses = vi.fn<(use: ApiKeyUse) => void>();
  await using used = await startPayment({ apiKeyUses });
  const reporting = await used.clientAs("reporting", () => [apiKey({ key: used.apiKey })]);
  await reporting.listTransactions({});
  expect(apiKeyUses).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ client: "reporting" }));
});
