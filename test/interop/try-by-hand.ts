/**
 * Makes calls with by-hand.ts and prints, a line each, how they end.
 *
 *     node try-by-hand.ts
 *
 * Where the services are, and the keys, are in the environment: the variables of docs/wire.md, which `pnpm dev` prints.
 */
import { randomUUID } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { type Client, type ServiceError, status } from "@grpc/grpc-js";
import {
  call,
  connect,
  type Entries,
  Fields,
  field,
  lastOf,
  type Refusal,
  refusalOf,
  sign,
  token,
  variable,
} from "./by-hand.ts";

const ORDERS = "/order.v1.OrderService";
const PAYMENTS = "/payment.v1.PaymentService";
const orderStates = ["UNSPECIFIED", "PENDING", "PAID", "DECLINED"];
const paymentStates = ["UNSPECIFIED", "PENDING", "AUTHORIZED", "CAPTURED", "DECLINED"];
const opened: Client[] = [];
const to: typeof connect = (...where) => {
  const client = connect(...where);
  opened.push(client);
  return client;
};

/** Prints how a call ends, and returns what its refusal says. */
async function show(what: string, ends: Promise<unknown>): Promise<Refusal> {
  try {
    console.log(`${what}: OK ${String(await ends)}`);
    return {};
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    if (!("metadata" in error)) {
      console.log(`${what}: ${error.message}`);
      return {};
    }
    const refused = error as ServiceError;
    const refusal = refusalOf(refused);
    const { reason = "", retryMs } = refusal;
    const again = retryMs === undefined ? "" : `, again after ${retryMs / 1000} s`;
    console.log(`${what}: ${status[refused.code]} ${reason}${again}`.trimEnd());
    return refusal;
  }
}

/** Places an order, waits until it is paid, and returns the id of its payment. */
async function byToken(): Promise<string> {
  const orders = to("order", "storefront");
  const own = await token("storefront", "read:orders write:orders");
  const price = Buffer.concat([field(1, "EUR"), field(2, 1299)]);
  const line = Buffer.concat([field(1, "TEA-GREEN"), field(2, 3), field(3, price)]);
  const request = Buffer.concat([field(1, randomUUID()), field(2, line)]);
  let order = new Fields(Buffer.alloc(0));
  const stateIn = (answer: Fields) => {
    order = answer.message(1);
    return orderStates[Number(order.number(5))];
  };
  await show("storefront CreateOrder, a token", call(orders, `${ORDERS}/CreateOrder`, request, own).then(stateIn));
  const watch = field(1, order.text(1));
  await show("storefront WatchOrder, the same token", lastOf(orders, `${ORDERS}/WatchOrder`, watch, own).then(stateIn));

  const others = to("order", "partner");
  const weak = await token("partner", "read:orders", variable("PARTNER_SECRET"));
  const list = call(others, `${ORDERS}/ListOrders`, undefined, weak);
  await show(
    "partner ListOrders, a token by its secret",
    list.then((answer) => `${answer.messages(1).length} orders`),
  );
  await show("partner CreateOrder, a token to read with", call(others, `${ORDERS}/CreateOrder`, request, weak));
  await show("partner CreateOrder, a stolen token", call(others, `${ORDERS}/CreateOrder`, request, own));
  await show("partner asks for a token, a wrong secret", token("partner", "read:orders", "wrong"));
  const elsewhere = to("order", "storefront", variable("PAYMENT"));
  await show("storefront ListOrders, where payment listens", call(elsewhere, `${ORDERS}/ListOrders`, undefined, own));
  return order.text(6);
}

async function stateOf(payments: Client, request: Buffer, entries?: Entries): Promise<string | undefined> {
  const answer = await call(payments, `${PAYMENTS}/GetPayment`, request, entries);
  return paymentStates[Number(answer.message(1).number(5))];
}

async function byCertificate(paymentId: string): Promise<void> {
  const request = Buffer.concat([field(1, paymentId), field(2, "storefront")]);
  await show("order-service GetPayment, its certificate", stateOf(to("payment", "order-service"), request));
  const capture = Buffer.concat([field(1, randomUUID()), field(2, paymentId), field(3, "storefront")]);
  const refused = call(to("payment", "reporting"), `${PAYMENTS}/CapturePayment`, capture);
  await show("reporting CapturePayment, its certificate", refused);
}

async function byApiKey(): Promise<void> {
  const payments = to("payment", "reporting");
  const key = variable("API_KEY");
  const typo = key.slice(0, -1) + (Number.parseInt(key.slice(-1), 16) ^ 1).toString(16);
  const total = async (apiKey: string) => {
    const entries = { "x-api-key": apiKey };
    const lines = (await call(payments, `${PAYMENTS}/ListTransactions`, undefined, entries)).messages(1);
    // A negative number comes as 64 bits in two's complement.
    const amounts = lines.map((line) => BigInt.asIntN(64, line.number(6)));
    return `sum ${amounts.reduce((sum, each) => sum + each, 0n)}`;
  };
  await show("reporting ListTransactions, its API key", total(key));
  await show("reporting ListTransactions, a key with a typo", total(typo));
}

async function bySignature(paymentId: string): Promise<void> {
  const payments = to("payment", "storefront");
  const message = field(1, paymentId);
  const signing = { keyId: variable("SIGNING_KEY_ID"), secret: variable("SIGNING_SECRET"), message };
  const now = () => Math.floor(Date.now() / 1000);
  const at = (seconds: number) => sign({ ...signing, path: `${PAYMENTS}/GetPayment`, timestamp: String(seconds) });
  const signed = (seconds: number) => stateOf(payments, message, at(seconds));

  await show("storefront GetPayment, signed", signed(now()));
  const once = at(now());
  const twice = stateOf(payments, message, once).then(() => stateOf(payments, message, once));
  await show("storefront GetPayment, the same bytes twice", twice);
  const { serverTime = 0 } = await show("storefront GetPayment, signed by a slow clock", signed(now() - 600));
  await show("storefront GetPayment, signed by the server's", signed(serverTime));
  // As if it had waited since before payment was started, which refuses what it might have seen before that.
  const { retryMs } = await show("storefront GetPayment, signed 4 minutes ago", signed(now() - 240));
  await setTimeout(retryMs);
  await show("storefront GetPayment, signed anew", signed(now()));
}

const paymentId = await byToken();
await byCertificate(paymentId);
await byApiKey();
await bySignature(paymentId);
for (const client of opened) client.close();
