// The key server is away, withdraws a key, publishes a new one, or is somebody else.
import { randomUUID } from "node:crypto";
import { channelsTo } from "@zero-trust/infra/callers";
import { issuer as issuerName } from "@zero-trust/infra/names";
import { rawCall } from "@zero-trust/infra/raw-call";
import { untilServing } from "@zero-trust/infra/until-serving";
import { OrderService } from "@zero-trust/proto/order/v1";
import { createTokenIssuer } from "@zero-trust/testkit";
import { expect } from "vitest";
import { becomes } from "./becomes.ts";
import { connectionOn } from "./call.ts";
import { bearerOf, claimsOf } from "./credentials.ts";
import { answerKeys, fresh, publishedKeys, readingWith, timesAsked, untilRead } from "./key-server.ts";
import { ztKeys } from "./keys-command.ts";
import { scenariosOn } from "./scenario.ts";
import type { Trial } from "./trial.ts";

const { listOrders } = OrderService.method;
const invalid = "UNAUTHENTICATED CREDENTIAL_INVALID";
const scenario = scenariosOn();
const pass = ({ stack }: Trial) => stack.relays.issuer.become({ kind: "pass" });

scenario("I1", "while the key server is down the keys that are known are served", async (trial) => {
  trial.observe("before", "OK", await fresh(trial));
  await trial.stack.relays.issuer.become({ kind: "refuse" });
  await untilRead(trial, /the key set cannot be read/);
  const status = await fresh(trial);
  trial.observe("the key server is down, the cache warm", "served", status === "OK" ? "served" : status);
  await pass(trial);
});

scenario(
  "I2",
  "a service whose key server is down when it starts serves nobody, and recovers by itself",
  async (trial) => {
    const { stack } = trial;
    trial.restarts("order");
    await stack.order.stop("SIGKILL");
    await stack.relays.issuer.become({ kind: "refuse" });
    await stack.order.restart();
    using opened = new DisposableStack();
    const channels = opened.adopt(channelsTo(stack, "order-service", "order"), (them) => them.close());
    const health = () => rawCall({ channels, path: "/grpc.health.v1.Health/Check", message: new Uint8Array() });
    // HealthCheckResponse: NOT_SERVING.
    expect([...(await health())]).toEqual([0x08, 0x02]);
    const reading = await readingWith(trial);
    await trial.denied({
      what: "the key server is down since the start",
      expected: "UNAVAILABLE CHECK_UNAVAILABLE",
      by: "order",
      attack: () => trial.call(listOrders, reading),
      control: async () => {
        await pass(trial);
        return await becomes("OK", () => trial.call(listOrders, reading));
      },
    });
    trial.observe("the key server is back", "served", (await fresh(trial)) === "OK" ? "served" : "refused");
    await untilServing(channels);
  },
);

scenario(
  "I5",
  "a key that is new is fetched once, and a thousand that there are not a bounded number of times",
  async (trial) => {
    const next = await createTokenIssuer({ issuer: issuerName });
    const keys = [...publishedKeys(trial).keys, ...next.jwks.keys];
    await answerKeys(trial, { body: JSON.stringify({ keys }) });
    const token = await next.sign(claimsOf(trial.stack, "storefront", "order", ["read:orders"]));
    const call = { as: "storefront", metadata: { authorization: `Bearer ${token}` } } as const;
    await becomes("OK", () => trial.call(listOrders, call));
    trial.observe("a token of a key that was not there before", "served", "served");

    for (const [what, away] of [
      ["the key server up", false],
      ["the key server down", true],
    ] as const) {
      if (away) await trial.stack.relays.issuer.become({ kind: "refuse" });
      const asked = async () =>
        away ? (await trial.stack.relays.issuer.state()).connections : await timesAsked(trial);
      const before = await asked();
      const startedMs = performance.now();
      const outcomes = await unknownKids(trial, 1_000);
      const seconds = (performance.now() - startedMs) / 1_000;
      const times = (await asked()) - before;
      console.log(`I5: 1 000 unknown kids in ${seconds.toFixed(1)} s, ${what}: ${times} requests`);
      for (const status of outcomes) trial.observe(`1 000 unknown kids, ${what}`, invalid, status);
      // One for the callers every 5 s; and what both services read by themselves, keys and revocations, or try to.
      expect(times).toBeLessThanOrEqual(2 + seconds);
    }
    await pass(trial);
    trial.observe("a token of the issuer's own key", "OK", await fresh(trial));
  },
);

scenario("I7", "a key server that is another workload of the same CA is not read", async (trial) => {
  const evil = await createTokenIssuer({ issuer: issuerName });
  await answerKeys(trial, { body: JSON.stringify(evil.jwks) }, "storefront");
  const asked = await timesAsked(trial);
  await untilRead(trial, /the key set cannot be read/);
  const token = await evil.sign(claimsOf(trial.stack, "storefront", "order", ["read:orders"]));
  await trial.denied({
    what: "a token of the keys of a server that is storefront and not issuer",
    expected: invalid,
    by: "order",
    attack: () => trial.call(listOrders, { as: "storefront", metadata: { authorization: `Bearer ${token}` } }),
    control: async () => ({ status: await fresh(trial) }),
  });
  // It was not asked for anything.
  expect(await timesAsked(trial)).toBe(asked);
  await pass(trial);
});

scenario(
  "I6",
  "tokens of a key that the issuer has withdrawn are refused; those of the next key are served",
  async (trial) => {
    const { stack } = trial;
    const old = await readingWith(trial);
    const [{ kid = "" } = {}] = publishedKeys(trial).keys;
    await ztKeys(stack, "rotate issuer --file issuer/signing-jwks.json");
    await ztKeys(stack, `revoke issuer ${kid} --file issuer/signing-jwks.json`);
    await stack.publish();
    await trial.denied({
      what: "a token that is good but for its key, which was withdrawn",
      expected: invalid,
      by: "order",
      attack: () => becomes(invalid, () => trial.call(listOrders, old)),
      control: async () => {
        const metadata = await bearerOf(stack, "storefront", "order", ["read:orders"]);
        return await trial.call(listOrders, { as: "storefront", metadata });
      },
    });
  },
);

/** Shows tokens of keys that there are not, over one connection; gives what became of them, each outcome once. */
async function unknownKids(trial: Trial, count: number): Promise<ReadonlySet<string>> {
  using connection = connectionOn(trial.stack, "order", { as: "storefront" });
  const outcomes = new Set<string>();
  for (let done = 0; done < count; done += 50) {
    const batch = Array.from({ length: 50 }, async () => {
      const { metadata } = await readingWith(trial, randomUUID());
      return await connection.call(listOrders, { metadata });
    });
    for (const { status } of await Promise.all(batch)) outcomes.add(status);
  }
  return outcomes;
}
