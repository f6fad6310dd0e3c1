import { randomBytes, randomInt } from "node:crypto";
import { audiences } from "@zero-trust/infra/names";
import { OrderService, OrderState } from "@zero-trust/proto/order/v1";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import type { TestTokenIssuer } from "@zero-trust/testkit";
import { expect } from "vitest";
import { becomes } from "./becomes.ts";
import { connectionOn, type Outcome } from "./call.ts";
import { bearerOf, claimsOf, forgerOf, newOrder } from "./credentials.ts";
import { askIssuer, grantOf } from "./issuer-request.ts";
import { keysPath, publishedKeys, timesAsked } from "./key-server.ts";
import { ztKeys } from "./keys-command.ts";
import { scenariosOn } from "./scenario.ts";
import { survivalOf } from "./survival.ts";
import { tally } from "./tally.ts";
import { whileRelay } from "./while-relay.ts";

// What becomes of tokens while they are used.
let forger: TestTokenIssuer;
const scenario = scenariosOn(async (stack) => {
  forger = await forgerOf(stack);
});
const survives = survivalOf("order");

const { createOrder, listOrders, watchOrder } = OrderService.method;
const { reconcileTransactions } = PaymentService.method;
const scopes = ["read:orders", "write:orders"];
const invalid = "UNAUTHENTICATED CREDENTIAL_INVALID";
const expired = "UNAUTHENTICATED CREDENTIAL_EXPIRED";

scenario("B17", "a flood of garbage tokens holds up nobody, and makes nobody ask the issuer", async (trial) => {
  const { stack } = trial;
  const good = await bearerOf(stack, "storefront", "order", scopes);
  const [header = "", claims = ""] = (good["authorization"] ?? "").slice("Bearer ".length).split(".");
  const random = (bytes: number) => randomBytes(bytes).toString("base64url");
  const headerOf = (kid: string) =>
    Buffer.from(JSON.stringify({ alg: "ES256", typ: "at+jwt", kid })).toString("base64url");
  // Each ends at another check, and most are as large as a token may be: none is to be kept.
  const garbage = [
    () => `${random(2_000)}.${random(2_000)}.${random(2_000)}`,
    () => `${headerOf(random(16))}.${random(5_800)}.${random(64)}`,
    () => `${headerOf(forger.keyId)}.${random(5_800)}.${random(64)}`,
    () => `${header}.${claims}.${random(64)}`,
  ] as const;
  const [floods, batches, batch] = [4, 12, 50];
  const statuses: string[] = [];

  async function flood(): Promise<void> {
    for (let sent = 0; sent < batches; sent += 1) {
      // Anew each time: who sends that much, all of which is refused, loses his connection.
      using connection = connectionOn(stack, "order", { as: "storefront" });
      const calls = Array.from({ length: batch }, () => {
        const token = garbage[randomInt(garbage.length) as 0]();
        return connection.call(listOrders, { metadata: { authorization: `Bearer ${token}` } });
      });
      for (const { status } of await Promise.all(calls)) statuses.push(status);
    }
  }

  // Stands in for the issuer, and counts.
  const answers = { [keysPath]: { body: JSON.stringify(publishedKeys(trial)) } };
  const startMs = performance.now();
  const before = await timesAsked(trial);
  await whileRelay(stack.relays.issuer, { kind: "answer", as: "issuer", answers }, async () => {
    await survives(trial, `${floods * batches * batch} distinct tokens`, async () => {
      await Promise.all(Array.from({ length: floods }, flood));
    });
  });
  const asked = (await timesAsked(trial)) - before;
  const seconds = (performance.now() - startMs) / 1000;
  console.log(`B17: ${Math.round(seconds)} s, keys asked for ${asked} times,`, tally(statuses));
  // On a busy machine a check may be too late: that lets nobody in either.
  expect(statuses.filter((status) => status !== invalid && !status.startsWith("UNAVAILABLE"))).toEqual([]);
  expect(statuses.filter((status) => status === invalid).length).toBeGreaterThan(statuses.length / 2);
  // Made up key ids make order ask every five seconds, besides what it and payment ask every twenty anyway.
  expect(asked, "times that the issuer was asked for its keys").toBeLessThan(6 + seconds / 3);
});

scenario("B18", "a stream that was let in ends with its token", async (trial) => {
  const { stack } = trial;
  const dying = async (
    client: "order-service" | "storefront",
    service: "order" | "payment",
    times: Readonly<Record<"iat" | "exp", number>>,
  ) => {
    const claims = claimsOf(stack, client, service, ["read:orders", "read:transactions"]);
    return { authorization: `Bearer ${await forger.sign({ ...claims, ...times })}` };
  };
  const storefront = { as: "storefront", metadata: await bearerOf(stack, "storefront", "order", scopes) } as const;

  // An order that stays as it is: payment's answers get lost.
  const living = await whileRelay(stack.relays.payment, { kind: "mute" }, async () => {
    const placed = await trial.call(createOrder, { ...storefront, message: newOrder() });
    const message = { orderId: placed.messages[0]?.order?.orderId ?? "" };
    const logs = [await trial.recordsSince("order"), await trial.recordsSince("payment")] as const;
    // With the skew, it is good for another four seconds.
    const exp = Math.floor(Date.now() / 1000) - 1;
    const times = { iat: exp - 60, exp };
    const same = trial.open(watchOrder, { ...storefront, message });
    const metadata = await dying("storefront", "order", times);
    const watching = trial.open(watchOrder, { as: "storefront", message, metadata });
    for (const { stream } of [same, watching]) stream.end();
    const reconciling = trial.open(reconcileTransactions, {
      as: "order-service",
      bytes: [],
      metadata: await dying("order-service", "payment", times),
    });
    const endOf = async ({ outcome }: { readonly outcome: Promise<Outcome> }) => {
      const { status } = await outcome;
      return { status, lateMs: Date.now() - (exp + 5) * 1000 };
    };
    const ends = await Promise.all([endOf(watching), endOf(reconciling)]);
    console.log("B18:", ...ends);
    trial.observe("watching an order", expired, ends[0].status);
    trial.observe("reconciling the ledger", expired, ends[1].status);
    expect(watching.messages, "what was told before").toHaveLength(1);
    for (const { lateMs } of ends) {
      expect(lateMs).toBeGreaterThanOrEqual(0);
      // Calls are looked at every second; the rest is for a busy machine.
      expect(lateMs).toBeLessThan(4_000);
    }
    const ended = { log: "decision", outcome: "ended", reason: "CREDENTIAL_EXPIRED", cause: "the token has expired" };
    for (const records of logs) await expect.poll(records).toContainEqual(expect.objectContaining(ended));
    return same;
  });
  trial.observe("watching it with a token that lives", "OK", (await living.outcome).status);
  expect(living.messages.map(({ order }) => order?.state)).toEqual([OrderState.PENDING, OrderState.PAID]);
});

scenario(
  "B22",
  "a token that is taken back is refused though it was verified before; a client's with the client",
  async (trial) => {
    const { stack } = trial;
    const own = await bearerOf(stack, "storefront", "order", scopes);
    const partners = await bearerOf(stack, "partner", "order", scopes);
    const listing = (as: "partner" | "storefront", metadata: typeof own) => trial.call(listOrders, { as, metadata });
    for (const [as, metadata] of [
      ["storefront", own],
      ["partner", partners],
    ] as const) {
      trial.observe(`${as}'s token, before`, "OK", (await listing(as, metadata)).status);
    }
    const token = (own["authorization"] ?? "").slice("Bearer ".length);
    const takenBack = await askIssuer(stack, {
      path: "/oauth/revoke",
      as: "storefront",
      form: { client_id: "storefront", token },
    });
    expect(takenBack.status).toBe(200);
    await ztKeys(stack, "revoke client partner --file issuer/clients.json");
    await stack.publish();
    const startMs = performance.now();
    const refusedAfter = async (as: "partner" | "storefront", metadata: typeof own) => {
      await becomes(invalid, () => listing(as, metadata));
      return Math.round(performance.now() - startMs);
    };
    console.log(
      "B22: refused after so many milliseconds:",
      await Promise.all([refusedAfter("storefront", own), refusedAfter("partner", partners)]),
    );
    const control = async () => await listing("storefront", await bearerOf(stack, "storefront", "order", scopes));
    const revoked = { expected: invalid, by: "order", control, record: { cause: "the token was revoked" } } as const;
    await trial.denied({
      what: "a token that its client took back",
      attack: () => listing("storefront", own),
      ...revoked,
    });
    await trial.denied({ what: "a token of a revoked client", attack: () => listing("partner", partners), ...revoked });
    const grant = { grant_type: "client_credentials", resource: audiences.order, scope: "read:orders" };
    await trial.denied({
      what: "a token request of a revoked client",
      expected: "refused by the issuer",
      by: "issuer",
      attack: async () => {
        const auth = `partner:${stack.deployment.partnerSecret}`;
        return grantOf(
          await askIssuer(stack, { path: "/oauth/token", as: "partner", form: grant, auth }),
          "invalid_client",
        );
      },
      control,
      record: { log: "token", error: "invalid_client", reason: undefined },
    });
  },
);
