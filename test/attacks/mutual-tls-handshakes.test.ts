import { request } from "node:https";
import { spiffeIdOf } from "@zero-trust/infra/names";
import { allOf, dnsName, identityFromDirectory, identityFromMemory, spiffeId } from "@zero-trust/mtls";
import { OrderService } from "@zero-trust/proto/order/v1";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import {
  attacker,
  callFields,
  createCa,
  extendedKeyUsage,
  frameType,
  headerBlock,
  headersFrame,
  type LeafOptions,
  type TestCa,
} from "@zero-trust/testkit";
import { expect, vi } from "vitest";
import type { Stack } from "../stack/stack.ts";
import { type Call, onTheWire } from "./call.ts";
import { bearerOf, newOrder, payingCall } from "./credentials.ts";
import { deploymentCa } from "./deployment-ca.ts";
import { readingCall } from "./reading-call.ts";
import { scenariosOn } from "./scenario.ts";
import { type Showing, shownBy } from "./showing.ts";
import { type Leading, toldTo } from "./told-to.ts";
import type { Trial } from "./trial.ts";

const { createPayment, getPayment } = PaymentService.method;
const { createOrder, listOrders } = OrderService.method;
const order = spiffeIdOf("order-service");
const payment = spiffeIdOf("payment-service");
const stranger = spiffeIdOf("stranger");
const hourMs = 3_600_000;

let reading: Call<typeof getPayment>;
let ours: TestCa;
const scenario = scenariosOn(async (stack) => {
  reading = await readingCall(stack);
  ours = await deploymentCa(stack);
});

scenario("M1", "a port of mutual TLS does not answer a word to HTTP/2 in clear", async (trial) => {
  const { stack } = trial;
  await trial.denied({
    what: "a call over HTTP/2 without TLS",
    expected: "closed",
    by: "payment",
    attack: async () => {
      await using attack = attacker({ host: "127.0.0.1", port: stack.payment.port });
      const wire = await attack.plaintextWire();
      await wire.send(headersFrame(1, headerBlock(callFields(onTheWire(getPayment).path))));
      await wire.closed;
      return { status: wire.received(frameType.settings) === 0 ? "closed" : "answered" };
    },
    control: () => trial.call(getPayment, reading),
  });
});

scenario("M2", "a caller without a certificate gets no connection, whatever else it has", async (trial) => {
  const { stack } = trial;
  const cause = "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE";
  const { as: _, ...stolen } = await payingCall(stack);
  await trial.denied({
    what: "no certificate, to payment",
    expected: "T",
    by: "payment",
    attack: () => trial.call(createPayment, stolen),
    control: () => trial.call(createPayment, { as: "order-service", ...stolen }),
    record: { cause },
  });
  const metadata = await bearerOf(stack, "storefront", "order", ["read:orders"]);
  await trial.denied({
    what: "no certificate, to order",
    expected: "T",
    by: "order",
    attack: () => trial.call(listOrders, { metadata }),
    control: () => trial.call(listOrders, { as: "storefront", metadata }),
    record: { cause },
  });
  await trial.denied({
    what: "no certificate, to the issuer",
    expected: "T",
    by: "issuer",
    attack: () => askIssuer(stack),
    control: () => askIssuer(stack, "stranger"),
    record: { cause },
  });
});

/** Asks the issuer for its keys, which is what it tells to whoever has a certificate. */
async function askIssuer(stack: Stack, as?: Showing): Promise<{ readonly status: string }> {
  const tls = { ca: stack.deployment.ca.ca, ...(as === undefined ? {} : shownBy(stack, as)) };
  const { promise, resolve } = Promise.withResolvers<{ readonly status: string }>();
  const options = { ...tls, host: "127.0.0.1", port: stack.issuer.port, agent: false };
  request({ ...options, path: "/.well-known/jwks.json", checkServerIdentity: () => undefined })
    .on("response", (response) => {
      response.resume();
      resolve({ status: response.statusCode === 200 ? "OK" : `HTTP ${response.statusCode}` });
    })
    .on("error", () => resolve({ status: "UNAVAILABLE" }))
    .end();
  return await promise;
}

/** A certificate that names order-service, and that is not good. */
interface Shown extends LeafOptions {
  readonly what: string;
  /** Default: the deployment's own. */
  readonly by?: TestCa;
  /** What the connection log says. */
  readonly cause?: string;
}

/** Shows it to payment, which gives no connection for it. */
async function noConnection(trial: Trial, { what, by = ours, cause, ...leaf }: Shown): Promise<void> {
  const { cert, key } = await by.issue({ spiffeId: order, ...leaf });
  await trial.denied({
    what,
    expected: "T",
    by: "payment",
    attack: () => trial.call(getPayment, { ...reading, as: { cert, key } }),
    control: () => trial.call(getPayment, reading),
    ...(cause === undefined ? {} : { record: { cause } }),
  });
}

scenario("M3", "a name is worth what the CA is worth that signed it", async (trial) => {
  await noConnection(trial, { what: "order-service by another CA", by: await createCa() });
  await noConnection(trial, { what: "order-service by itself", selfSigned: true });
  await noConnection(trial, { what: "our CA's name, another key", forged: true, cause: "CERT_SIGNATURE_FAILURE" });
  await noConnection(trial, { what: "signed by a workload of our CA", issuedByLeaf: true });
});

scenario("M4", "a certificate is good from its first day to its last", async (trial) => {
  const at = (hours: number) => new Date(Date.now() + hours * hourMs);
  const past = { notBefore: at(-2), notAfter: at(-1), cause: "CERT_HAS_EXPIRED" };
  await noConnection(trial, { what: "expired an hour ago", ...past });
  const future = { notBefore: at(1), notAfter: at(2), cause: "CERT_NOT_YET_VALID" };
  await noConnection(trial, { what: "good in an hour", ...future });
});

scenario("M6", "a certificate for another use makes no call", async (trial) => {
  const { serverAuth, codeSigning, any } = extendedKeyUsage;
  const cause = "INVALID_PURPOSE";
  await noConnection(trial, { what: "for servers only", eku: [serverAuth], cause });
  await noConnection(trial, { what: "for code signing", eku: [codeSigning], cause });
  await noConnection(trial, { what: "for any use", eku: [any], cause });
});

scenario("M19", "between a workload and our root is our intermediate, with its revocation list", async (trial) => {
  await noConnection(trial, { what: "a CA below our intermediate", extraIntermediate: true });
  await noConnection(trial, { what: "two CAs between leaf and root", intermediates: 2 });
  const missing = { withoutIntermediate: true, cause: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" };
  await noConnection(trial, { what: "no intermediate is sent", ...missing });
  const unlisted = { bySecondIntermediate: true, cause: "UNABLE_TO_GET_CRL" };
  await noConnection(trial, { what: "an intermediate without a list", ...unlisted });
});

/** Our client is led to a wrong server, and then to the right one. */
interface Led extends Leading {
  readonly what: string;
  readonly right: Leading["server"];
}

/** It tells nothing to the one, and its token to the other. */
async function tellsNothing(trial: Trial, { what, right, ...wrong }: Led): Promise<void> {
  trial.observe(what, "refused by the client", await toldTo(wrong));
  expect(await toldTo({ ...wrong, server: right }), `${what}: the right server`).toBe("told the token");
}

scenario("M14", "our client tells nothing to a server that is not the one it wants", async (trial) => {
  const identity = identityFromDirectory(trial.stack.deployment.tlsFolder("order-service"));
  identity.close();
  const host = "payment-service.production.internal";
  const wanted = spiffeId(payment);
  const client = { identity, wanted, right: await ours.issue({ spiffeId: payment }) };
  const workload = await ours.issue({ spiffeId: stranger });
  await tellsNothing(trial, { ...client, what: "another workload of our CA", server: workload });
  const named = await ours.issue({ uris: [stranger], dns: [host] });
  await tellsNothing(trial, { ...client, what: "the right host name, another SPIFFE ID", server: named });
  const foreign = await (await createCa()).issue({ spiffeId: payment });
  await tellsNothing(trial, { ...client, what: "the right names, by another CA", server: foreign });
  const elsewhere = await ours.issue({ uris: [payment], dns: ["stranger.production.internal"] });
  const both = { ...client, wanted: allOf(wanted, dnsName(host)) };
  const what = "the right SPIFFE ID, another host name, where both are wanted";
  await tellsNothing(trial, { ...both, what, server: elsewhere });
});

scenario("M14", "order, led to another service, tells it nothing, and pays when the way is right", async (trial) => {
  const { stack } = trial;
  const { orders, payments, charges } = await trial.settled();
  const records = await trial.recordsSince("order");
  await stack.relays.payment.become({ kind: "mislead", target: stack.order.address });
  const { connections } = await stack.relays.payment.state();
  const metadata = await bearerOf(stack, "storefront", "order", ["write:orders"]);
  const { status } = await trial.call(createOrder, { as: "storefront", message: newOrder(), metadata });
  trial.observe("an order is placed meanwhile", "OK", status);
  const isRefused = async () => (await records()).some(({ msg }) => msg === "payment not settled yet");
  await vi.waitUntil(isRefused, { timeout: 20_000, interval: 50 });
  expect((await stack.relays.payment.state()).connections, "it went there").toBeGreaterThan(connections);
  const heard = (await records()).filter(({ log, peer }) => log === "decision" && peer === order);
  const seen = heard.length === 0 ? "refused by the client" : JSON.stringify(heard);
  trial.observe("a payment by order, led to order's own port", "refused by the client", seen);
  await stack.relays.payment.become({ kind: "pass" });
  const paid = { orders: orders + 1, payments: payments + 1, charges: charges + 1 };
  expect(await trial.settled(), "the order is paid, once").toMatchObject(paid);
});

scenario("M19", "our client tells nothing to a server whose chain is longer than it allows", async (trial) => {
  const deep = await createCa({ rootPathLength: 2 });
  await tellsNothing(trial, {
    what: "a server with two CAs between it and a root that allows them",
    identity: identityFromMemory(await deep.issue({ spiffeId: order })),
    wanted: spiffeId(payment),
    server: await deep.issue({ spiffeId: payment, intermediates: 2 }),
    right: await deep.issue({ spiffeId: payment }),
  });
});
