import { status } from "@grpc/grpc-js";
import { locationOn } from "@zero-trust/database/test/databases";
import { PaymentState } from "@zero-trust/proto/payment/v1";
import { startPostgres } from "@zero-trust/testkit/servers";
import { expect, test, vi } from "vitest";
import { type CredentialsOf, startPayment } from "./start-payment.ts";

const requestId = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`;
const asked = (number: number) => ({
  requestId: requestId(number),
  client: "storefront",
  reference: "ord_1",
  amount: { currencyCode: "EUR", minorUnits: 2599n },
});
const unavailable = {
  code: status.UNAVAILABLE,
  message: "The database cannot be used now: send the same request again.",
};

test("a database that crashes under calls: UNAVAILABLE until it is back, and the same requests again charge once", async () => {
  await using server = await startPostgres();
  await using payment = await startPayment({}, { database: locationOn(server, server.database) });
  const orders = await payment.clientAs("order-service", (as: CredentialsOf) => [
    as.token("write:payments"),
    as.signature(),
  ]);
  const reader = await payment.clientAs("storefront", (as: CredentialsOf) => [as.token("read:transactions")]);
  const pay = async (number: number) => {
    const { payment: created } = await orders.createPayment(asked(number));
    const paymentId = created?.paymentId ?? "";
    const capture = { requestId: requestId(number + 1_000), client: "storefront", paymentId };
    return (await orders.capturePayment(capture)).payment;
  };
  const first = await pay(1);
  expect(first?.state).toBe(PaymentState.CAPTURED);

  const underWay = Array.from({ length: 20 }, (_, number) => pay(number + 2).catch((error: unknown) => error));
  await server.stop("SIGQUIT");
  // Those that were not answered in time are told so.
  const refused = (await Promise.all(underWay)).filter((answer) => answer instanceof Error);
  expect(refused).toMatchObject(refused.map(() => unavailable));
  const paymentId = first?.paymentId ?? "";
  await expect(orders.createPayment(asked(100))).rejects.toMatchObject(unavailable);
  await expect(reader.getPayment({ paymentId })).rejects.toMatchObject(unavailable);

  await server.start();
  await vi.waitFor(async () => expect((await reader.getPayment({ paymentId })).payment).toEqual(first), {
    timeout: 20_000,
  });
  const captured = await Promise.all(Array.from({ length: 21 }, (_, number) => pay(number + 1)));
  expect(captured.map((each) => each?.state)).toEqual(captured.map(() => PaymentState.CAPTURED));
  expect(await payment.countCharges()).toBe(21);
});
