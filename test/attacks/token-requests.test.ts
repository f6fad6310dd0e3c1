// What our own clients do to the issuer, and without it.
import { bearer, clientCredentials, connect, type TokenSource } from "@zero-trust/auth/client";
import { channelsTo } from "@zero-trust/infra/callers";
import { audiences, spiffeIdOf, type Workload } from "@zero-trust/infra/names";
import { httpsAgent, identityFromDirectory } from "@zero-trust/mtls";
import { OrderService } from "@zero-trust/proto/order/v1";
import { createClient, RpcError } from "@zero-trust/rpc";
import { afterAll, expect } from "vitest";
import type { RelayAnswer } from "../stack/relay/protocol.ts";
import type { Stack } from "../stack/stack.ts";
import { becomes } from "./becomes.ts";
import { bearerOf, claimsOf, forgerOf, newOrder } from "./credentials.ts";
import { errorStatus } from "./error-status.ts";
import { keysPath, publishedKeys } from "./key-server.ts";
import { scenariosOn } from "./scenario.ts";
import type { Trial } from "./trial.ts";

const opened = new DisposableStack();
afterAll(() => opened.dispose());
const scenario = scenariosOn();
const { createOrder } = OrderService.method;

/** Tokens for a service, by a clock of the test's, and a client of the order service that shows them. */
function clientOf(stack: Stack, as: Workload, audience: "order" | "payment", now: () => number = Date.now) {
  const identity = opened.adopt(identityFromDirectory(stack.deployment.tlsFolder(as)), (it) => it.close());
  const agent = opened.adopt(httpsAgent({ identity, serverId: spiffeIdOf("issuer") }), (it) => it.destroy());
  const scopes = audience === "order" ? ["read:orders"] : ["read:transactions"];
  const tokenEndpoint = new URL(`https://127.0.0.1:${stack.issuer.port}/oauth/token`);
  const asked = { tokenEndpoint, agent, clientId: as, audience: audiences[audience], scopes, now };
  const tokens: TokenSource = clientCredentials(asked);
  const channels = opened.adopt(channelsTo(stack, as, "order"), (them) => them.close());
  return createClient(OrderService, connect({ channels, credentials: [bearer({ tokens })] }), { timeoutMs: 60_000 });
}

const statusOf = (call: Promise<unknown>): Promise<string> => call.then(() => "OK", errorStatus);

/** How many requests the issuer and the order service have seen from now on. */
async function requestsSince({ stack }: Trial) {
  const [ofIssuer, ofOrder] = [await stack.issuer.log(), await stack.order.log()].map(({ length }) => length);
  return async () => {
    const tokens = (await stack.issuer.log()).slice(ofIssuer).filter(({ log }) => log === "token").length;
    const calls = (await stack.order.log())
      .slice(ofOrder)
      .filter(({ method }) => method === "/order.v1.OrderService/ListOrders");
    return { tokens, calls: calls.length };
  };
}

scenario(
  "I8",
  "a token that is good is used while the issuer is down; without one the call fails, and nothing is sent",
  async (trial) => {
    let nowMs = Date.now();
    const orders = clientOf(trial.stack, "storefront", "order", () => nowMs);
    await orders.listOrders({});
    trial.restarts("issuer");
    await trial.stack.issuer.stop("SIGKILL");
    const requests = await requestsSince(trial);
    const good = await statusOf(orders.listOrders({}));
    trial.observe("the issuer is down, the token good", "served", good === "OK" ? "served" : good);
    await expect.poll(async () => (await requests()).calls, { timeout: 20_000 }).toBe(1);
    // Beyond the life of every token.
    nowMs += 400_000;
    const failure = await orders.listOrders({}).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(RpcError);
    expect((failure as RpcError).message).toMatch(/token endpoint 127\.0\.0\.1:\d+/);
    const { calls } = await requests();
    trial.observe(
      "the issuer is down, the token expired",
      "refused by the client",
      calls === 1 ? "refused by the client" : `${calls - 1} calls`,
    );
    await trial.stack.issuer.restart();
    nowMs += 60_000;
    await expect.poll(() => statusOf(orders.listOrders({})), { timeout: 60_000, interval: 500 }).toBe("OK");
  },
);

scenario("I8", "order pays nothing without a token, says why, and pays when it has one", async (trial) => {
  const { stack } = trial;
  const metadata = await bearerOf(stack, "storefront", "order", ["write:orders"]);
  const place = () => trial.call(createOrder, { as: "storefront", message: newOrder(), metadata });
  const forger = await forgerOf(stack);
  const token = await forger.sign(claimsOf(stack, "order-service", "payment", ["write:payments"]));
  const short = { access_token: token, token_type: "Bearer", expires_in: 2 };
  const before = await trial.settled();
  trial.restarts("order");
  await stack.order.stop("SIGKILL");
  // Stands in for the issuer, with tokens of two seconds, and then with none.
  const issuing = (answers: Readonly<Record<string, RelayAnswer>>) =>
    stack.relays.issuer.become({
      kind: "answer",
      as: "issuer",
      answers: {
        [keysPath]: { body: JSON.stringify(publishedKeys(trial)) },
        "/.well-known/revoked-tokens.json": { body: '{"tokens":[],"clients":[]}' },
        ...answers,
      },
    });
  await issuing({ "/oauth/token": { body: JSON.stringify(short) } });
  await stack.order.restart();
  await becomes("OK", place);
  trial.observe("an order, with a token", "OK", (await trial.settled()).charges > before.charges ? "OK" : "not paid");

  await issuing({ "/oauth/token": { status: 503, body: '{"error":"temporarily_unavailable"}' } });
  const sinceMs = Date.now();
  await expect.poll(() => Date.now() - sinceMs, { timeout: 10_000 }).toBeGreaterThan(2_000);
  const [ofOrder, ofPayment] = [await trial.recordsSince("order"), await trial.recordsSince("payment")];
  trial.observe(
    "an order, when the token has expired: it is acknowledged",
    "served",
    (await place()).status === "OK" ? "served" : "refused",
  );
  const complaint = async () => (await ofOrder()).find(({ msg }) => msg === "payment not settled yet");
  await expect.poll(complaint, { timeout: 20_000 }).toMatchObject({
    code: "UNAVAILABLE",
    err: {
      message: expect.stringMatching(
        /token endpoint .* refused client order-service a token: temporarily_unavailable, since/,
      ) as string,
    },
  });
  const sent = (await ofPayment()).filter(
    ({ log, method }) => log === "decision" && String(method).includes("Payment"),
  );
  trial.observe(
    "its payment",
    "refused by the client",
    sent.length === 0 ? "refused by the client" : JSON.stringify(sent),
  );
  expect(await stack.effects()).toMatchObject({ pending: 1 });
  await stack.relays.issuer.become({ kind: "pass" });
  const after = await trial.settled();
  trial.observe(
    "its payment, when the issuer is back",
    "served",
    after.charges === before.charges + 2 ? "served" : "lost",
  );
});

scenario("I9", "a thousand first calls at once cost one token request", async (trial) => {
  const orders = clientOf(trial.stack, "storefront", "order");
  const requests = await requestsSince(trial);
  const outcomes = await Promise.all(Array.from({ length: 1_000 }, () => statusOf(orders.listOrders({}))));
  expect(new Set(outcomes)).toEqual(new Set(["OK"]));
  await expect.poll(requests, { timeout: 20_000 }).toEqual({ tokens: 1, calls: 1_000 });
  trial.observe("1 000 first calls, 1 token request", "served", "served");
});

scenario(
  "I10",
  "a server that refuses every fresh token is asked twice, and the issuer is not asked again and again",
  async (trial) => {
    // Tokens for payment are no good to order, however fresh.
    const orders = clientOf(trial.stack, "order-service", "payment");
    const requests = await requestsSince(trial);
    trial.observe(
      "every token is refused",
      "UNAUTHENTICATED CREDENTIAL_INVALID",
      await statusOf(orders.listOrders({})),
    );
    await expect.poll(requests, { timeout: 20_000 }).toEqual({ tokens: 2, calls: 2 });
    const outcomes = await Promise.all(Array.from({ length: 100 }, () => statusOf(orders.listOrders({}))));
    expect(new Set(outcomes)).toEqual(new Set(["UNAUTHENTICATED CREDENTIAL_INVALID"]));
    await expect.poll(requests, { timeout: 20_000 }).toEqual({ tokens: 2, calls: 102 });
    const right = clientOf(trial.stack, "storefront", "order");
    trial.observe("tokens for order", "OK", await statusOf(right.listOrders({})));
  },
);
