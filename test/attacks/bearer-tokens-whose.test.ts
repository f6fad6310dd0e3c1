import { createHash, randomUUID } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { audiences } from "@zero-trust/infra/names";
import type { LogRecord } from "@zero-trust/infra/service-process";
import { OrderService } from "@zero-trust/proto/order/v1";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { expect } from "vitest";
import type { Outcome } from "./call.ts";
import { bearerOf, newOrder, newPayment, payingCall, signedBy } from "./credentials.ts";
import { askIssuer, grantOf, type IssuerRequest } from "./issuer-request.ts";
import { scenariosOn } from "./scenario.ts";
import type { Trial } from "./trial.ts";

// Who gets tokens, and whose orders and payments they are good for.
const scenario = scenariosOn();

const { createOrder, getOrder, watchOrder } = OrderService.method;
const { capturePayment, createPayment, getPayment } = PaymentService.method;
const scopes = ["read:orders", "write:orders"];

scenario("B20", "the issuer gives a client its own tokens, and no others", async (trial) => {
  const { stack } = trial;
  const grant = { grant_type: "client_credentials", resource: audiences.order, scope: "read:orders" };
  const ours = { path: "/oauth/token", as: "storefront", form: { ...grant, client_id: "storefront" } } as const;
  const secret = stack.deployment.partnerSecret;
  const partners = { path: "/oauth/token", as: "partner", form: grant, auth: `partner:${secret}` } as const;
  const asking = (changes: IssuerRequest["form"]) => ({ ...ours, form: { ...ours.form, ...changes } });
  const digest = createHash("sha256").update(secret).digest("hex");
  const requests: readonly (readonly [what: string, request: IssuerRequest, error: string])[] = [
    ["an unknown scope", asking({ scope: "read:orders read:everything" }), "invalid_scope"],
    ["a scope of another client", asking({ scope: "write:payments" }), "invalid_scope"],
    ["an audience of another client", asking({ resource: audiences.payment }), "invalid_target"],
    ["two audiences", asking({ resource: [audiences.order, audiences.payment] }), "invalid_target"],
    ["no audience", asking({ resource: [] }), "invalid_target"],
    ["another grant", asking({ grant_type: "password" }), "unsupported_grant_type"],
    ["a wrong secret", { ...partners, auth: "partner:wrong" }, "invalid_client"],
    ["what is stored of the secret", { ...partners, auth: `partner:${digest}` }, "invalid_client"],
    ["the right secret with another certificate", { ...partners, as: "storefront" }, "invalid_client"],
    ["the right certificate without the secret", { ...ours, as: "partner" }, "invalid_client"],
    [
      "its own tokens in another client's name",
      { ...asking({ resource: audiences.payment, scope: "write:payments" }), as: "order-service" },
      "invalid_client",
    ],
    ["another workload's certificate", { ...ours, as: "reporting" }, "invalid_client"],
  ];
  const records = await trial.recordsSince("issuer");
  for (const [what, request, error] of requests) {
    await trial.denied({
      what,
      expected: "refused by the issuer",
      by: "issuer",
      attack: async () => grantOf(await askIssuer(stack, request), error),
      control: async () => grantOf(await askIssuer(stack, request.auth === undefined ? ours : partners)),
      record: { log: "token", error, reason: undefined },
    });
  }
  const isTheirs = ({ outcome, client }: LogRecord) => outcome === "issued" && client !== "order-service";
  const issued = async () => (await records()).filter(isTheirs).length;
  await expect.poll(issued, { message: "tokens that were given out" }).toBe(requests.length);
});

scenario("B21", "what is another client's is answered like what does not exist", async (trial) => {
  const { stack } = trial;
  const [orderId, paymentId] = [`ord_${"0".repeat(32)}`, `pay_${"0".repeat(32)}`];
  const partner = { as: "partner", metadata: await bearerOf(stack, "partner", "order", scopes) } as const;
  const storefront = { as: "storefront", metadata: await bearerOf(stack, "storefront", "order", scopes) } as const;
  const { messages } = await trial.call(createOrder, { ...partner, message: newOrder() });
  const theirOrder = { orderId: messages[0]?.order?.orderId ?? "" };
  for (const method of [getOrder, watchOrder]) {
    await doesNotExist(trial, {
      what: `another client's order by ${method.name}`,
      theirs: () => trial.call(method, { ...storefront, message: theirOrder }),
      nobodys: () => trial.call(method, { ...storefront, message: { orderId } }),
      control: () => trial.call(method, { ...partner, message: theirOrder }),
    });
  }
  const payment = { ...newPayment(), client: "partner" };
  const paid = await trial.call(createPayment, await payingCall(stack, payment));
  const theirPayment = { paymentId: paid.messages[0]?.payment?.paymentId ?? "", client: "partner" };
  const read = (as: "order-service" | "storefront", message: MessageInitShape<typeof getPayment.input>) =>
    trial.call(getPayment, { as, message, metadata: signedBy(stack, as, getPayment, message) });
  await doesNotExist(trial, {
    what: "another client's payment, by its owner's name",
    theirs: () => read("storefront", theirPayment),
    nobodys: () => read("storefront", { paymentId, client: "partner" }),
    control: () => read("order-service", theirPayment),
  });
  await doesNotExist(trial, {
    what: "another client's payment, by the caller's name",
    theirs: () => read("storefront", { ...theirPayment, client: "storefront" }),
    nobodys: () => read("storefront", { paymentId, client: "storefront" }),
    control: () => read("order-service", theirPayment),
  });
  await doesNotExist(trial, {
    what: "order-service reading it for another client than it is for",
    theirs: () => read("order-service", { ...theirPayment, client: "storefront" }),
    nobodys: () => read("order-service", { paymentId, client: "storefront" }),
    control: () => read("order-service", theirPayment),
  });
  const token = await bearerOf(stack, "order-service", "payment", ["write:payments"]);
  const capture = (asked: { readonly paymentId: string; readonly client: string }) => {
    const message = { requestId: randomUUID(), ...asked };
    const signature = signedBy(stack, "order-service", capturePayment, message);
    return trial.call(capturePayment, { as: "order-service", message, metadata: { ...token, ...signature } });
  };
  await doesNotExist(trial, {
    what: "order-service charging it for another client than it is for",
    theirs: () => capture({ ...theirPayment, client: "storefront" }),
    nobodys: () => capture({ paymentId, client: "storefront" }),
    control: () => capture(theirPayment),
  });
});

/** Asks for what is there and somebody else's, and for what is not: the answers are the same, and nothing happens. */
async function doesNotExist(
  trial: Trial,
  asked: Readonly<Record<"theirs" | "nobodys" | "control", () => Promise<Outcome>>> & { readonly what: string },
): Promise<void> {
  const before = await trial.settled();
  const theirs = await asked.theirs();
  trial.observe(asked.what, "NOT_FOUND", theirs.status);
  expect(said(theirs), `${asked.what}: the whole answer`).toEqual(said(await asked.nobodys()));
  expect(await trial.settled(), `${asked.what}: nothing happened`).toEqual(before);
  trial.observe(`${asked.what}: the same done right`, "OK", (await asked.control()).status);
}

/** All that a caller gets to see of an answer, but for when. */
function said({ status, details, trailers }: Outcome): unknown {
  const { date: _, ...others } = trailers.getMap();
  return { status, details, others };
}
