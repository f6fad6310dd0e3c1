import type { DescMethod } from "@bufbuild/protobuf";
import { audiences } from "@zero-trust/infra/names";
import { OrderService } from "@zero-trust/proto/order/v1";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import type { Stack } from "../stack/stack.ts";
import { type Call, callOn, type Outcome } from "./call.ts";
import { payingCall } from "./credentials.ts";
import { askIssuer, type IssuerRequest } from "./issuer-request.ts";

const { createPayment, getPayment } = PaymentService.method;
const { listOrders } = OrderService.method;

/** Calls a service, and keeps what its caller is told. */
export async function overheardCall<M extends DescMethod>(
  stack: Stack,
  answers: string[],
  method: M,
  call: Call<M>,
): Promise<Outcome<M>> {
  const outcome = await callOn(stack, method, call);
  answers.push(`${outcome.status} ${outcome.details} ${JSON.stringify(outcome.trailers.getMap())}`);
  return outcome;
}

/** Shows a secret in every field of a call or a request where it does not belong, or is not good; keeps what is answered. */
export async function showMisplaced(stack: Stack, secret: string, answers: string[]): Promise<void> {
  const call = <M extends DescMethod>(method: M, made: Call<M>) => overheardCall(stack, answers, method, made);
  const metadata = [
    { authorization: `Bearer ${secret}` },
    { authorization: `Basic ${secret}` },
    { authorization: secret },
    ...["x-api-key", "x-timestamp", "x-nonce", "x-signature", "x-canary"].map((key) => ({ [key]: secret })),
  ];
  const paying = await payingCall(stack);
  for (const misplaced of metadata) {
    await call(createPayment, { ...paying, metadata: { ...paying.metadata, ...misplaced } });
    await call(getPayment, { as: "stranger", metadata: misplaced });
    await call(listOrders, { as: "storefront", metadata: misplaced });
  }
  await call(getPayment, { as: "order-service", message: { paymentId: secret } });
  await call(createPayment, await payingCall(stack, { requestId: secret, client: secret, reference: "canary" }));
  // A path is what a record is about: only what looks like a secret is known to be one.
  const path = `/payment.v1.PaymentService/${secret}`;
  if (/^(?:sk-|hs-|eyJ)/.test(secret)) await call(getPayment, { as: "order-service", path });

  const ask = async (request: IssuerRequest) => {
    const { body } = await askIssuer(stack, request);
    // Whoever gets a token is shown it.
    if (!("access_token" in body)) answers.push(JSON.stringify(body));
  };
  const form = { grant_type: "client_credentials", resource: audiences.order, scope: "read:orders" };
  const partner = { as: "partner", auth: `partner:${stack.deployment.partnerSecret}` } as const;
  for (const field of [...Object.keys(form), "client_id", "client_secret", "client_assertion", "token"]) {
    await ask({ path: "/oauth/token", ...partner, form: { ...form, [field]: secret } });
    await ask({ path: "/oauth/revoke", ...partner, form: { [field]: secret } });
  }
  await ask({ path: "/oauth/token", as: "partner", form, auth: `partner:${secret}` });
  await ask({ path: "/oauth/token", as: "storefront", form, auth: `${secret}:${secret}` });
}
