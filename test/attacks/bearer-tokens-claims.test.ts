import { issuer } from "@zero-trust/infra/names";
import { OrderService } from "@zero-trust/proto/order/v1";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import type { TestTokenIssuer } from "@zero-trust/testkit";
import type { Stack } from "../stack/stack.ts";
import { bearerOf, claimsOf, forgerOf, newOrder, newPayment, payingCall, signedBy } from "./credentials.ts";
import { type BadToken, refusesTokens } from "./refused-tokens.ts";
import { scenariosOn } from "./scenario.ts";
import type { Trial } from "./trial.ts";

// What a token says. Each is signed by the issuer's own key, and right in every other respect.
let forger: TestTokenIssuer;
const scenario = scenariosOn(async (stack) => {
  forger = await forgerOf(stack);
});

const { createOrder, listOrders } = OrderService.method;
const { createPayment, listTransactions } = PaymentService.method;
const scopes = ["read:orders", "write:orders"];
const nowSeconds = () => Math.floor(Date.now() / 1000);
const rightClaims = (stack: Stack) => claimsOf(stack, "storefront", "order", scopes);

/** One of the issuer's tokens with other claims; a claim of `undefined` is missing. */
async function tokenOf(
  { stack }: Trial,
  claims: Readonly<Record<string, unknown>>,
  header: Readonly<Record<string, unknown>> = {},
): Promise<{ readonly authorization: string }> {
  return { authorization: `Bearer ${await forger.sign({ ...rightClaims(stack), ...claims }, header)}` };
}

/** Refuses tokens that differ from a right one in the claims that are given. */
async function refusesClaims(
  trial: Trial,
  cases: readonly (Omit<BadToken, "authorization"> & { readonly claims: Readonly<Record<string, unknown>> })[],
): Promise<void> {
  const tokens = cases.map(async ({ claims, ...rest }) => ({ ...rest, ...(await tokenOf(trial, claims)) }));
  await refusesTokens(trial, await Promise.all(tokens));
}

scenario("B8", "a token is good from its beginning to its end, give or take five seconds", async (trial) => {
  const now = nowSeconds();
  await refusesClaims(trial, [
    {
      what: "expired a second more than the skew ago",
      claims: { iat: now - 200, exp: now - 6 },
      cause: "the token has expired",
      expected: "UNAUTHENTICATED CREDENTIAL_EXPIRED",
    },
    {
      what: "expired exactly the skew ago",
      claims: { iat: now - 200, exp: now - 5 },
      cause: "the token has expired",
      expected: "UNAUTHENTICATED CREDENTIAL_EXPIRED",
    },
    { what: "not good for a minute", claims: { nbf: now + 60 }, cause: "the token is not good yet" },
    {
      what: "issued a minute ahead",
      claims: { iat: now + 60, nbf: now, exp: now + 300 },
      cause: "the token is from the future",
    },
  ]);
  // As long as time goes on, these can only become better.
  const edges = {
    "good in exactly the skew": { nbf: nowSeconds() + 5 },
    "issued exactly the skew ahead": { iat: nowSeconds() + 5, exp: nowSeconds() + 300 },
  };
  for (const [what, claims] of Object.entries(edges)) {
    const { status } = await trial.call(listOrders, { as: "storefront", metadata: await tokenOf(trial, claims) });
    trial.observe(what, "served", status === "OK" ? "served" : status);
  }
  const ended = await tokenOf(trial, { iat: nowSeconds() - 200, exp: nowSeconds() });
  const { status } = await trial.call(listOrders, { as: "storefront", metadata: ended });
  trial.observe("expired this second", "served", status === "OK" ? "served" : status);
});

scenario("B9", "a token says all that RFC 9068 asks for", async (trial) => {
  await refusesClaims(
    trial,
    [
      ["exp", "the token's exp is missing or no time"],
      ["iat", "the token's iat is missing or no time"],
      ["sub", "the token's sub is missing or malformed"],
      ["client_id", "the token's client_id is missing or malformed"],
      ["aud", "the token's aud is missing or malformed"],
      ["jti", "the token's jti is missing or malformed"],
    ].map(([claim = "", cause = ""]) => ({ what: `no ${claim}`, claims: { [claim]: undefined }, cause })),
  );
});

scenario("B10", "no token lives for years, whoever signed it", async (trial) => {
  const iat = nowSeconds();
  const cause = "the token lives longer than any of this issuer's";
  await refusesClaims(trial, [
    { what: "ten years", claims: { iat, exp: iat + 10 * 365 * 86_400 }, cause },
    { what: "a second too long", claims: { iat, exp: iat + 301 }, cause },
  ]);
});

scenario("B11", "the issuer is compared letter by letter", async (trial) => {
  const cause = "the token is of another issuer";
  await refusesClaims(trial, [
    { what: "another issuer", claims: { iss: "https://issuer.other.internal" }, cause },
    { what: "a slash more", claims: { iss: `${issuer}/` }, cause },
    { what: "in upper case", claims: { iss: issuer.toUpperCase() }, cause },
    { what: "no issuer", claims: { iss: undefined }, cause: "the token's iss is missing or malformed" },
  ]);
});

scenario("B12", "a token is for one service, which it names", async (trial) => {
  const cause = "the token is for another audience";
  const own = "https://order.production.internal";
  await refusesClaims(trial, [
    { what: "payment's audience", claims: { aud: "https://payment.production.internal" }, cause },
    { what: "a prefix of the audience", claims: { aud: "https://order.production" }, cause },
    { what: "the audience and a slash", claims: { aud: `${own}/` }, cause },
    {
      what: "payment's audience too",
      claims: { aud: [own, "https://payment.production.internal"] },
      cause: "the token has several audiences",
    },
  ]);
});

scenario("B13", "another JWT of the issuer's, or of a client's, is no access token", async (trial) => {
  const types = {
    "an ID token": "JWT",
    "a client's assertion": "client-authentication+jwt",
    "a logout token": "logout+jwt",
    "a JWT without a type": undefined,
  };
  const tokens = Object.entries(types).map(async ([what, typ]) => ({
    what,
    ...(await tokenOf(trial, {}, { typ })),
    cause: "the token is not an access token",
  }));
  await refusesTokens(trial, await Promise.all(tokens));
});

scenario("B14", "a token is worth nothing without the key of the certificate that it is bound to", async (trial) => {
  const stolen = await bearerOf(trial.stack, "storefront", "order", scopes);
  const cause = "the token is bound to another certificate, or to none";
  const { authorization = "" } = stolen;
  await refusesTokens(trial, [{ what: "stolen, shown by partner first", authorization, cause, as: "partner" }]);
  const { status } = await trial.call(listOrders, { as: "storefront", metadata: stolen });
  trial.observe("the same token, shown by its owner", "OK", status);
  await refusesTokens(trial, [{ what: "stolen, when its owner has shown it", authorization, cause, as: "partner" }]);
  await refusesClaims(trial, [
    { what: "bound to nothing", claims: { cnf: undefined }, cause },
    {
      what: "bound to a key that is not shown",
      claims: { cnf: { jkt: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" } },
      cause: "the token is bound by something else than a certificate",
    },
  ]);
});

scenario("B15", "a token without the scope is known, and not let in", async (trial) => {
  await refusesTokens(trial, [
    {
      what: "placing an order with a token for reading",
      authorization: (await bearerOf(trial.stack, "storefront", "order", ["read:orders"]))["authorization"] ?? "",
      cause: "the credentials lack a scope that the rule needs",
      expected: "PERMISSION_DENIED SCOPE_MISSING",
    },
  ]);
  const message = newPayment();
  const signature = signedBy(trial.stack, "order-service", createPayment, message);
  const reading = await bearerOf(trial.stack, "order-service", "payment", ["read:transactions"]);
  const right = await payingCall(trial.stack, message);
  await trial.denied({
    what: "paying with a token for reading, whatever the signature and the certificate grant",
    expected: "PERMISSION_DENIED SCOPE_MISSING",
    by: "payment",
    attack: () => trial.call(createPayment, { ...right, metadata: { ...reading, ...signature } }),
    control: () => trial.call(createPayment, right),
  });
});

scenario("B19", "a service's token is of no use to whoever it is shown to, nor to another service", async (trial) => {
  const { stack } = trial;
  const paymentsToken = await bearerOf(stack, "order-service", "payment", ["read:transactions"]);
  const listing = (as: "order-service" | "storefront", metadata: Readonly<Record<string, string>>) =>
    trial.call(listTransactions, { as, metadata });
  await trial.denied({
    what: "order-service's token shown to payment by the storefront",
    expected: "UNAUTHENTICATED CREDENTIAL_INVALID",
    by: "payment",
    attack: () => listing("storefront", paymentsToken),
    control: () => listing("order-service", paymentsToken),
    record: { cause: "the token is bound to another certificate, or to none" },
  });
  const ordersToken = await bearerOf(stack, "storefront", "order", scopes);
  await trial.denied({
    what: "a token for order shown to payment by its owner",
    expected: "UNAUTHENTICATED CREDENTIAL_INVALID",
    by: "payment",
    attack: () => listing("storefront", ordersToken),
    control: () => listing("order-service", paymentsToken),
    record: { cause: "the token is for another audience" },
  });
  await trial.denied({
    what: "a token for payment shown to order by its owner",
    expected: "UNAUTHENTICATED CREDENTIAL_INVALID",
    by: "order",
    attack: () => trial.call(createOrder, { as: "order-service", message: newOrder(), metadata: paymentsToken }),
    control: () => trial.call(createOrder, { as: "storefront", message: newOrder(), metadata: ordersToken }),
    record: { cause: "the token is for another audience" },
  });
});
