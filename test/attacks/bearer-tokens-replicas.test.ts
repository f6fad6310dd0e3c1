// A token that was taken back: every replica knows it at once by Valkey, and in time without it.
import { OrderService } from "@zero-trust/proto/order/v1";
import { expect } from "vitest";
import type { Fleet } from "../fleet/fleet.ts";
import { canStartFleet, startFleet } from "../fleet/start.ts";
import { becomes, effectiveMs } from "./becomes.ts";
import { bearerOf } from "./credentials.ts";
import { askIssuer } from "./issuer-request.ts";
import { scenariosOf } from "./scenario.ts";
import type { Trial } from "./trial.ts";

const { listOrders } = OrderService.method;
const invalid = "UNAUTHENTICATED CREDENTIAL_INVALID";
/** It is looked at twice a second; the rest is for a busy machine. The list that is polled takes ten seconds. */
const atOnceMs = 3_000;

const scenario = scenariosOf(() => startFleet({ payments: 1, orders: 2 }), { canStart: canStartFleet });

type Metadata = Awaited<ReturnType<typeof bearerOf>>;
const newToken = ({ stack }: Trial<Fleet>) => bearerOf(stack, "storefront", "order", ["read:orders"]);
const listing = (trial: Trial<Fleet>, metadata: Metadata) => trial.call(listOrders, { as: "storefront", metadata });
/** The same scenario at each replica of order in turn. */
const atEach = (trial: Trial<Fleet>) =>
  trial.stack.orders.map((order) => ({ name: order.name, at: trial.on({ order }) }));

async function takeBack({ stack }: Trial<Fleet>, { authorization = "" }: Metadata): Promise<void> {
  const token = authorization.slice("Bearer ".length);
  const form = { client_id: "storefront", token };
  expect((await askIssuer(stack, { path: "/oauth/revoke", as: "storefront", form })).status).toBe(200);
}

/** Takes back a token that every replica has verified, and sees each refuse it; tells how long that took. */
async function refusedEverywhere(trial: Trial<Fleet>, what: string): Promise<number> {
  const token = await newToken(trial);
  for (const { name, at } of atEach(trial)) {
    trial.observe(`a token, before, at ${name}`, "OK", (await listing(at, token)).status);
  }
  await takeBack(trial, token);
  const startMs = performance.now();
  await Promise.all(atEach(trial).map(({ at }) => becomes(invalid, () => listing(at, token))));
  const tookMs = performance.now() - startMs;
  for (const { name, at } of atEach(trial)) {
    await at.denied({
      what: `${what}, at ${name}`,
      expected: invalid,
      by: "order",
      attack: () => listing(at, token),
      control: async () => listing(at, await newToken(trial)),
      record: { cause: "the token was revoked" },
    });
  }
  return tookMs;
}

scenario("B22", "a token that is taken back is refused by every replica at once", async (trial) => {
  const tookMs = await refusedEverywhere(trial, "a token that its client took back");
  console.log(`B22: refused by every replica after ${Math.round(tookMs)} ms`);
  expect(tookMs).toBeLessThan(atOnceMs);
});

scenario("B22", "without Valkey, tokens are served, and one that is taken back is refused in time", async (trial) => {
  const { valkey } = trial.stack;
  await valkey.stop();
  try {
    const tookMs = await refusedEverywhere(trial, "a token that its client took back while Valkey was down");
    console.log(`B22: refused by every replica after ${Math.round(tookMs)} ms, without Valkey`);
    expect(tookMs).toBeLessThan(effectiveMs);
  } finally {
    await valkey.start();
  }
});
