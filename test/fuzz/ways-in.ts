import type { DescMessage, DescMethod, MessageInitShape } from "@bufbuild/protobuf";
import { Credential } from "@zero-trust/auth";
import type { Workload } from "@zero-trust/infra/names";
import { OrderService } from "@zero-trust/proto/order/v1";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { onTheWire } from "../attacks/call.ts";
import { bearerOf, newOrder, newPayment } from "../attacks/credentials.ts";
import { signatureOf } from "../attacks/signature.ts";
import type { Stack } from "../stack/stack.ts";
import { type Holding, type MadeCall, madeCall, type ServiceName } from "./made-call.ts";

const { createOrder, importOrders, listOrders, watchOrder } = OrderService.method;
const { createPayment, getPayment, listTransactions, reconcileTransactions } = PaymentService.method;

/** Every way to be let in by the services, each of which makes a call that has not been made before. */
export async function waysIn(stack: Stack, known: KnownObjects): Promise<ReadonlyMap<string, () => MadeCall>> {
  const { orderId, paymentId } = known;
  const token = async (client: Workload, service: ServiceName, scopes: readonly string[]): Promise<Holding> => ({
    credential: Credential.BEARER,
    client,
    scopes,
    service,
    workload: client,
    values: await bearerOf(stack, client, service, scopes),
  });
  const storefront = await token("storefront", "order", ["read:orders", "write:orders"]);
  const reader = await token("partner", "order", ["read:orders"]);
  const payer = await token("order-service", "payment", ["read:transactions", "write:payments"]);
  const reporting: Holding = {
    credential: Credential.API_KEY,
    client: "reporting",
    scopes: ["read:transactions"],
    service: "payment",
    values: { "x-api-key": stack.deployment.apiKey },
  };
  const line = { transactionId: `txn_${"0".repeat(32)}`, currencyCode: "EUR", minorUnits: 1n };
  const signed = (client: "order-service" | "storefront", method: DescMethod, message: MessageInitShape<DescMessage>) =>
    signature(stack, client, method, message);
  return new Map<string, () => MadeCall>([
    [
      "storefront places an order with its token",
      () => madeCall(createOrder, "storefront", [newOrder()], [storefront]),
    ],
    [
      "storefront imports orders with its token",
      () => madeCall(importOrders, "storefront", [newOrder(), newOrder(), newOrder()], [storefront]),
    ],
    ["partner lists its orders with a token to read", () => madeCall(listOrders, "partner", [{}], [reader])],
    [
      "storefront watches an order with its token",
      () => madeCall(watchOrder, "storefront", [{ orderId }], [storefront]),
    ],
    [
      "order-service reads a payment with its certificate",
      () => madeCall(getPayment, "order-service", [{ paymentId, client: "storefront" }], []),
    ],
    [
      "storefront reads a payment with a signature",
      () => madeCall(getPayment, "storefront", [{ paymentId }], [signed("storefront", getPayment, { paymentId })]),
    ],
    [
      "order-service pays with certificate, token and signature",
      () => {
        const message = newPayment();
        return madeCall(
          createPayment,
          "order-service",
          [message],
          [payer, signed("order-service", createPayment, message)],
        );
      },
    ],
    ["reporting lists the ledger with its API key", () => madeCall(listTransactions, "reporting", [{}], [reporting])],
    [
      "order-service reconciles with certificate and token",
      () => madeCall(reconcileTransactions, "order-service", [line, { ...line, minorUnits: 2n }], [payer]),
    ],
  ]);
}

/** What is there to be read. */
export interface KnownObjects {
  readonly orderId: string;
  readonly paymentId: string;
}

function signature(
  stack: Stack,
  client: "order-service" | "storefront",
  method: DescMethod,
  message: MessageInitShape<DescMessage>,
): Holding {
  const { id: keyId, secret } = stack.deployment.signing[client];
  const { path, bytes } = onTheWire(method, message);
  return {
    credential: Credential.HMAC,
    client,
    scopes: client === "storefront" ? ["read:transactions"] : ["read:transactions", "write:payments"],
    service: "payment",
    values: signatureOf({ keyId, secret: secret.expose(), path, message: bytes }),
  };
}
