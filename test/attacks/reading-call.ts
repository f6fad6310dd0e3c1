import { PaymentService } from "@zero-trust/proto/payment/v1";
import type { Deployed } from "../stack/stack.ts";
import { type Call, callOn } from "./call.ts";
import { payingCall } from "./credentials.ts";

const { createPayment } = PaymentService.method;

/**
 * The call that reads a payment, which is there: it takes order-service's certificate and nothing else, so whoever gets
 * another one taken for it is let in.
 */
export async function readingCall(stack: Deployed): Promise<Call<(typeof PaymentService.method)["getPayment"]>> {
  const { status, messages } = await callOn(stack, createPayment, await payingCall(stack));
  const payment = messages[0]?.payment;
  if (payment === undefined) throw new Error(`There is no payment: ${status}.`);
  return { as: "order-service", message: { paymentId: payment.paymentId, client: payment.client } };
}
