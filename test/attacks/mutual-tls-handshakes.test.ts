import { request } from "node:https";
import { spiffeIdOf } from "@zero-trust/infra/names";
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
import type { Stack } from "../stack/stack.ts";
import { type Call, onTheWire } from "./call.ts";
import { bearerOf, payingCall } from "./credentials.ts";
import { deploymentCa } from "./deployment-ca.ts";
import { readingCall } from "./reading-call.ts";
import { scenariosOn } from "./scenario.ts";
import { type Showing, shownBy } from "./showing.ts";
import type { Trial } from "./trial.ts";

const { createPayment, getPayment } = PaymentService.method;
const { listOrders } = OrderService.method;
const spiffeId = spiffeIdOf("order-service");
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

/** Somebody shows a certificate that names order-service, and gets no connection with it. */
async function noConnection(trial: Trial, what: string, ca: TestCa, leaf: LeafOptions, cause?: string): Promise<void> {
  const { cert, key } = await ca.issue({ spiffeId, ...leaf });
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
  await noConnection(trial, "order-service by another CA", await createCa(), {});
  await noConnection(trial, "order-service by itself", ours, { selfSigned: true });
  await noConnection(
    trial,
    "our CA as issuer, another key's signature",
    ours,
    { forged: true },
    "CERT_SIGNATURE_FAILURE",
  );
  await noConnection(trial, "signed by a workload of our CA", ours, { issuedByLeaf: true });
});

scenario("M4", "a certificate is good from its first day to its last", async (trial) => {
  const now = Date.now();
  const past = { notBefore: new Date(now - 2 * hourMs), notAfter: new Date(now - hourMs) };
  await noConnection(trial, "expired an hour ago", ours, past, "CERT_HAS_EXPIRED");
  const future = { notBefore: new Date(now + hourMs), notAfter: new Date(now + 2 * hourMs) };
  await noConnection(trial, "good in an hour", ours, future, "CERT_NOT_YET_VALID");
});

scenario("M6", "a certificate for another use makes no call", async (trial) => {
  const { serverAuth, codeSigning, any } = extendedKeyUsage;
  await noConnection(trial, "for servers only", ours, { eku: [serverAuth] }, "INVALID_PURPOSE");
  await noConnection(trial, "for code signing", ours, { eku: [codeSigning] }, "INVALID_PURPOSE");
  await noConnection(trial, "for any use", ours, { eku: [any] }, "INVALID_PURPOSE");
});

scenario("M19", "between a workload and our root is our intermediate, with its revocation list", async (trial) => {
  await noConnection(trial, "a CA below our intermediate", ours, { extraIntermediate: true });
  await noConnection(trial, "two CAs between leaf and root", ours, { intermediates: 2 });
  await noConnection(
    trial,
    "no intermediate sent",
    ours,
    { withoutIntermediate: true },
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  );
  await noConnection(
    trial,
    "an intermediate without a list",
    ours,
    { bySecondIntermediate: true },
    "UNABLE_TO_GET_CRL",
  );
});
