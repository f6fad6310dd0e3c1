import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { newApiKey } from "@zero-trust/auth/issue";
import { type ApiKeySource, apiKey } from "@zero-trust/auth/server";
import { apiKeyFile } from "@zero-trust/auth/stores/file";
import { audiences } from "@zero-trust/infra/names";
import { OrderService, OrderState } from "@zero-trust/proto/order/v1";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { PingService } from "@zero-trust/testkit";
import { expect, vi } from "vitest";
import type { Stack } from "../stack/stack.ts";
import { becomes, effectiveMs } from "./becomes.ts";
import { callOn, type Outcome } from "./call.ts";
import { bearerOf, newOrder } from "./credentials.ts";
import { idOf, ztKeys } from "./keys-command.ts";
import { scenariosOn } from "./scenario.ts";
import { servePing } from "./serve-ping.ts";
import type { Trial } from "./trial.ts";

const { listTransactions } = PaymentService.method;
const { createOrder, listOrders, watchOrder } = OrderService.method;
const invalid = "UNAUTHENTICATED CREDENTIAL_INVALID";

/** Keys that the services know, besides the one that reporting has for payment. */
let keys: Awaited<ReturnType<typeof issueKeys>>;

async function issueKeys(stack: Stack) {
  const issue = (service: "order" | "payment", client: string, scope: string) =>
    ztKeys(
      stack,
      `issue api --file ${service}/api-keys.json --audience ${audiences[service]} --client ${client} --scope ${scope}`,
    );
  return {
    rotated: await issue("payment", "reporting", "read:transactions"),
    // storefront's own orders, for two screens that show them.
    revoked: await issue("order", "storefront", "read:orders"),
    watching: await issue("order", "storefront", "read:orders"),
  };
}

const scenario = scenariosOn(async (stack) => {
  keys = await issueKeys(stack);
  await stack.publish();
  await becomes("OK", () => callOn(stack, listTransactions, { as: "reporting", metadata: shown(keys.rotated) }));
  await becomes("OK", () => callOn(stack, listOrders, { as: "reporting", metadata: shown(keys.watching) }));
});

const shown = (key: string) => ({ "x-api-key": key });

function readingLedger(trial: Trial, key: string = trial.stack.deployment.apiKey): Promise<Outcome> {
  return trial.call(listTransactions, { as: "reporting", metadata: shown(key) });
}

scenario("K8", "a stream ends when its key is revoked; that of another key goes on", async (trial) => {
  const { stack } = trial;
  const metadata = await bearerOf(stack, "storefront", "order", ["write:orders"]);
  const watch = (key: string, orderId: string) => {
    const call = {
      as: "reporting",
      message: { orderId },
      metadata: shown(key),
      timeoutMs: effectiveMs + 10_000,
    } as const;
    const running = trial.open(watchOrder, call);
    running.stream.end();
    return running;
  };
  // An order is watched until it is paid.
  await stack.payment.pause();
  const { messages } = await trial.call(createOrder, { as: "storefront", message: newOrder(), metadata });
  const orderId = messages[0]?.order?.orderId ?? "";
  const [ending, going] = [watch(keys.revoked, orderId), watch(keys.watching, orderId)];
  try {
    await vi.waitUntil(() => ending.messages.length + going.messages.length === 2, { timeout: 20_000 });
    const records = await trial.recordsSince("order");
    await ztKeys(stack, `revoke api ${idOf(keys.revoked)} --file order/api-keys.json`);
    await stack.publish();
    const startMs = performance.now();
    trial.observe("a stream whose key is revoked", invalid, (await ending.outcome).status);
    expect(performance.now() - startMs).toBeLessThan(effectiveMs);
    const ended = { outcome: "ended", credentialIds: [idOf(keys.revoked)], cause: "the API key is revoked" };
    await vi.waitFor(async () => expect(await records()).toContainEqual(expect.objectContaining(ended)), 10_000);
  } finally {
    await stack.payment.resume();
  }
  trial.observe("another key's stream of the same order", "OK", (await going.outcome).status);
  expect(going.messages.at(-1)?.order?.state).toBe(OrderState.PAID);
  await trial.denied({
    what: "the same stream once more, with the revoked key",
    expected: invalid,
    by: "order",
    attack: () => watch(keys.revoked, orderId).outcome,
    control: () => watch(keys.watching, orderId).outcome,
  });
});

scenario("K10", "a key file that is no good leaves the keys in force, and starts no service", async (trial) => {
  const { stack } = trial;
  const file = (service: string) => join(stack.deployment.folder, service, "api-keys.json");
  const before = { payment: readFileSync(file("payment")), order: readFileSync(file("order")) };
  const records = await Promise.all([trial.recordsSince("payment"), trial.recordsSince("order")]);
  writeFileSync(file("payment"), before.payment.subarray(0, -9));
  rmSync(file("order"));
  await stack.publish();
  const kept = expect.objectContaining({ msg: "the version before stays in force" });
  const complained = async () => {
    for (const since of records) expect(await since()).toContainEqual(kept);
  };
  await vi.waitFor(complained, effectiveMs);

  trial.observe("payment's key file is cut off", "served", (await readingLedger(trial)).status);
  const orders = await trial.call(listOrders, { as: "reporting", metadata: shown(keys.watching) });
  trial.observe("order's key file is gone", "served", orders.status);
  await trial.denied({
    what: "an unknown key, while the key file is cut off",
    expected: invalid,
    by: "payment",
    attack: () => readingLedger(trial, newApiKey("live").key.expose()),
    control: () => readingLedger(trial),
  });

  trial.restarts("payment");
  await stack.payment.stop("SIGKILL");
  const said = String(await stack.payment.restart().catch((error: unknown) => error));
  const complaint = /did not start: payment: The file \S+api-keys\.json is no good: it is not JSON\./;
  const become = complaint.test(said) ? "does not start" : said;
  trial.observe("payment is started with a key file that is cut off", "does not start", become);
  trial.observe("a call to payment meanwhile", "UNAVAILABLE", (await readingLedger(trial)).status);

  writeFileSync(file("payment"), before.payment);
  writeFileSync(file("order"), before.order);
  await stack.publish();
  await stack.payment.restart();
  const again = await becomes("OK", () => readingLedger(trial));
  trial.observe("payment is started with its key file", "served", again.status);
});

scenario("K10", "a key that cannot be looked up lets nobody in, and is not called wrong", async (trial) => {
  const { apiKey: key, folder } = trial.stack.deployment;
  using opened = new DisposableStack();
  const held = opened.adopt(apiKeyFile(join(folder, "payment/api-keys.json")), (it) => it.close());
  let isDown = true;
  // As with a database; payment itself has its keys in memory.
  const find: ApiKeySource["find"] = async (id) => {
    if (isDown) throw new Error("the database is down");
    return held.find(id);
  };
  await using serving = await servePing(trial.stack, apiKey({ keys: { find }, audience: audiences.payment }));
  const call = () => trial.call(PingService.method.ping, { as: "reporting", port: serving.port, metadata: shown(key) });
  trial.observe("a key store that is down", "UNAVAILABLE CHECK_UNAVAILABLE", (await call()).status);
  expect(serving.log.join("")).toContain('"cause":"the database is down"');
  isDown = false;
  trial.observe("a key store that is up again", "served", (await call()).status);
});

scenario("K11", "while a key is rotated no call fails; then the old secret is refused", async (trial) => {
  const nowMs = Date.now();
  const overlapMs = 15_000;
  const rotate = `rotate api ${idOf(keys.rotated)} --file payment/api-keys.json --overlap ${overlapMs / 1000}s`;
  const next = await ztKeys(trial.stack, rotate, nowMs);
  await trial.stack.publish();

  const seen: { readonly old: string; readonly fresh: string; readonly answeredMs: number }[] = [];
  const look = async () => {
    const [old, fresh] = await Promise.all([readingLedger(trial, keys.rotated), readingLedger(trial, next)]);
    seen.push({ old: old.status, fresh: fresh.status, answeredMs: Date.now() });
    return old.status !== "OK";
  };
  await vi.waitUntil(look, { timeout: overlapMs + effectiveMs / 3, interval: 200 });

  const firstFresh = seen.findIndex(({ fresh }) => fresh === "OK");
  const both = seen[firstFresh];
  trial.observe("the old secret, when the new one is good", "served", String(both?.old));
  expect(new Set(seen.slice(firstFresh).map(({ fresh }) => fresh))).toEqual(new Set(["OK"]));
  expect(seen.at(-1)?.answeredMs).toBeGreaterThanOrEqual(nowMs + overlapMs);
  await trial.denied({
    what: "the old secret, after the overlap",
    expected: invalid,
    by: "payment",
    attack: () => readingLedger(trial, keys.rotated),
    control: () => readingLedger(trial, next),
    record: { cause: "the API key's secret has expired" },
  });
});
