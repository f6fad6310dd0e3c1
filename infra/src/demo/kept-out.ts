import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import { apiKey, connect, hmac } from "@zero-trust/auth/client";
import { newApiKey } from "@zero-trust/auth/issue";
import { OrderService } from "@zero-trust/proto/order/v1";
import { GetPaymentRequestSchema, PaymentService } from "@zero-trust/proto/payment/v1";
import { type Client, createClient } from "@zero-trust/rpc";
import { createCa } from "@zero-trust/testkit";
import { channelsTo, fixedToken, tokensOf, withToken } from "../callers.ts";
import { spiffeIdOf, type Workload } from "../names.ts";
import { carelessCall, rawCall } from "../raw-call.ts";
import type { Stack } from "../stack.ts";
import { mintToken } from "./mint-token.ts";
import type { Table } from "./table.ts";

const getPayment = "/payment.v1.PaymentService/GetPayment";
const invalid = "UNAUTHENTICATED CREDENTIAL_INVALID";
const missing = "UNAUTHENTICATED CREDENTIAL_MISSING";
const expired = "UNAUTHENTICATED CREDENTIAL_EXPIRED";

/** Nothing to show behind the OK. */
const silent = (work: Promise<unknown>): Promise<undefined> => work.then(() => undefined);

/** Connections without a good certificate, and good certificates that nobody granted anything. */
export async function showMutualTls(stack: Stack, table: Table, paymentId: string): Promise<void> {
  const target = `127.0.0.1:${stack.payment.port}`;
  const { ca } = stack.deployment.ca;
  const before = refusedHandshakes(stack);
  table.title("Kept out: mutual TLS");

  const naked = { who: "anybody", call: "GetPayment", shows: "no certificate", expect: "UNAVAILABLE" };
  await table.line(naked, () => silent(carelessCall(target, { ca }, { path: getPayment, message: new Uint8Array() })));
  const strange = { who: "a forger", call: "GetPayment", shows: "a strange CA's order-service", expect: "UNAVAILABLE" };
  await table.line(strange, async () => {
    const forged = await (await createCa()).issue({ spiffeId: spiffeIdOf("order-service") });
    await carelessCall(target, { ...forged, ca }, { path: getPayment, message: new Uint8Array() });
    return undefined;
  });
  const counted = { who: "payment", call: "connection log", shows: "has both handshakes", expect: "OK, 2 refused" };
  await table.line(counted, async () => {
    // A refusal is in the log when its socket has closed, which the caller may learn first.
    for (let tries = 0; refusedHandshakes(stack) - before < 2 && tries < 50; tries += 1) await setTimeout(100);
    return `${refusedHandshakes(stack) - before} refused`;
  });
  const ungranted = { who: "stranger", call: "CapturePayment", shows: "a certificate without grants" };
  await table.line({ ...ungranted, expect: "PERMISSION_DENIED PEER_NOT_GRANTED" }, () => {
    const payments = createClient(PaymentService, channelsTo(stack, "stranger", "payment"));
    return silent(payments.capturePayment({ requestId: randomUUID(), paymentId, client: "storefront" }));
  });
  const claim = { who: "stranger", call: "GetPayment", shows: "x-client-cn: order-service", expect: missing };
  await table.line(claim, () => {
    const metadata = { "x-client-cn": "order-service" };
    const channels = channelsTo(stack, "stranger", "payment");
    return silent(rawCall({ channels, path: getPayment, message: new Uint8Array(), metadata }));
  });
}

/** Keys that are not there, never were, or are of the other world. */
export async function showApiKeys(stack: Stack, table: Table): Promise<void> {
  const line = { who: "reporting", call: "ListTransactions" };
  const channels = () => channelsTo(stack, "reporting", "payment");
  const withKey = (key: string) => connect({ channels: channels(), credentials: [apiKey({ key })] });
  table.title("Kept out: API keys");

  await table.line({ ...line, shows: "no key", expect: missing }, () =>
    silent(createClient(PaymentService, channels()).listTransactions({})),
  );
  await table.line({ ...line, shows: "a key that nobody issued", expect: invalid }, () =>
    silent(createClient(PaymentService, withKey(newApiKey("live").key.expose())).listTransactions({})),
  );
  await table.line({ ...line, shows: "a test key", expect: invalid }, () =>
    silent(createClient(PaymentService, withKey(newApiKey("test").key.expose())).listTransactions({})),
  );
}

/** Tokens that are fixedToken, old, forged, too weak or meant for somebody else. */
export async function showTokens(stack: Stack, table: Table, orderId: string): Promise<void> {
  const line = { who: "storefront", call: "ListOrders" };
  const ordersOf = (from: Workload, token: string): Client<typeof OrderService> =>
    createClient(OrderService, withToken(channelsTo(stack, from, "order"), fixedToken(token)));
  const token = await tokensOf(stack, "storefront", "order", ["read:orders"]).token();
  const old = await mintToken(stack.deployment, "storefront", { ageSeconds: 310, lifetimeSeconds: 300 });
  const forged = `${token.slice(0, token.lastIndexOf("."))}.${"A".repeat(86)}`;
  table.title("Kept out: bearer tokens");

  await table.line({ ...line, shows: "its token (control)", expect: "OK" }, () =>
    silent(ordersOf("storefront", token).listOrders({})),
  );
  await table.line({ ...line, who: "reporting", shows: "that token, stolen", expect: invalid }, () =>
    silent(ordersOf("reporting", token).listOrders({})),
  );
  await table.line({ ...line, shows: "an expired token", expect: expired }, () =>
    silent(ordersOf("storefront", old).listOrders({})),
  );
  await table.line({ ...line, shows: "a forged signature", expect: invalid }, () =>
    silent(ordersOf("storefront", forged).listOrders({})),
  );
  const readOnly = { ...line, call: "ImportOrders", shows: "a token to read with" };
  await table.line({ ...readOnly, expect: "PERMISSION_DENIED SCOPE_MISSING" }, () =>
    silent(ordersOf("storefront", token).importOrders(nothing())),
  );
  await table.line(
    { who: "partner", call: "GetOrder", shows: "its token; storefront's order", expect: "NOT_FOUND" },
    () => {
      const tokens = tokensOf(stack, "partner", "order", ["read:orders"]);
      const orders = createClient(OrderService, withToken(channelsTo(stack, "partner", "order"), tokens));
      return silent(orders.getOrder({ orderId }));
    },
  );
  await table.line({ ...line, call: "ListTransactions", shows: "order's token, at payment", expect: invalid }, () => {
    const channels = withToken(channelsTo(stack, "storefront", "payment"), fixedToken(token));
    return silent(createClient(PaymentService, channels).listTransactions({}));
  });
}

/** Signed requests that were changed, shown again, moved or kept too long. */
export async function showSignatures(stack: Stack, table: Table, paymentId: string): Promise<void> {
  const line = { who: "storefront", call: "GetPayment" };
  const { id: keyId, secret } = stack.deployment.signing.storefront;
  const channels = channelsTo(stack, "storefront", "payment");
  const message = toBinary(GetPaymentRequestSchema, create(GetPaymentRequestSchema, { paymentId }));
  const sign = (path: string, now = Date.now) =>
    hmac({ keyId, secret, now }).present({ path, message: async () => message });
  const send = (metadata: Readonly<Record<string, string>>, bytes: Uint8Array = message) =>
    silent(rawCall({ channels, path: getPayment, message: bytes, metadata }));
  const signed = await sign(getPayment);
  const changed = Uint8Array.from(message, (byte, at) => (at === message.length - 1 ? byte ^ 1 : byte));
  const moved = await sign("/payment.v1.PaymentService/CapturePayment");
  const late = await sign(getPayment, () => Date.now() - 301_000);
  table.title("Kept out: signed requests");

  await table.line({ ...line, shows: "one bit of the message changed", expect: invalid }, () => send(signed, changed));
  await table.line({ ...line, shows: "the message as signed (control)", expect: "OK" }, () => send(signed));
  await table.line({ ...line, shows: "the same bytes again", expect: "UNAUTHENTICATED CREDENTIAL_REPLAYED" }, () =>
    send(signed),
  );
  await table.line({ ...line, shows: "a signature for another method", expect: invalid }, () => send(moved));
  await table.line({ ...line, shows: "signed five minutes ago", expect: expired }, () => send(late));
}

/** How many handshakes payment has refused, by its own log. */
function refusedHandshakes(stack: Stack): number {
  return stack.payment.log.filter((record) => record["log"] === "connection").length;
}

async function* nothing(): AsyncGenerator<never> {}
