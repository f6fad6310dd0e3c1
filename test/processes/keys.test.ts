import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { apiKey, connect } from "@zero-trust/auth/client";
import { channelsTo } from "@zero-trust/infra/callers";
import { runCommands } from "@zero-trust/infra/command-line/run-commands";
import { keysCommands } from "@zero-trust/infra/keys/commands";
import { newStackFolder, type Stack, startStack } from "@zero-trust/infra/stack";
import { OrderService } from "@zero-trust/proto/order/v1";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { createClient } from "@zero-trust/rpc";
import { afterAll, beforeAll, expect, test, vi } from "vitest";

// Each waits for what polls every few seconds.
const effective = { timeout: 30_000, interval: 100 };
vi.setConfig({ testTimeout: 120_000 });

let stack: Stack;
const opened = new DisposableStack();
beforeAll(async () => {
  stack = await startStack(newStackFolder("keys"));
});
afterAll(async () => {
  opened.dispose();
  await stack[Symbol.asyncDispose]();
});

/** reporting's channels to a service, with an API key. */
function authenticated(service: "order" | "payment", key: string) {
  const channels = opened.adopt(channelsTo(stack, "reporting", service), (them) => them.close());
  return connect({ channels, credentials: [apiKey({ key })] });
}
const readingLedger = (key: string) => {
  const client = createClient(PaymentService, authenticated("payment", key));
  return async () => void (await client.listTransactions({}));
};
const readingOrders = (key: string) => {
  const client = createClient(OrderService, authenticated("order", key));
  return async () => void (await client.listOrders({}));
};

test.each([
  ["payment", "read:transactions", readingLedger],
  ["order", "read:orders", readingOrders],
] as const)("%s writes down every decision, and when a key is used", async (service, scope, reading) => {
  const file = (name: string) => join(stack.deployment.folder, service, name);
  const printed: string[] = [];
  const to = `--client reporting --audience https://${service}.production.internal --scope ${scope}`;
  await runCommands("keys", keysCommands, `issue api --file ${file("api-keys.json")} ${to}`.split(" "), {
    print: (text) => void printed.push(text),
    note: () => undefined,
    now: Date.now,
  });
  const key = printed.join("").trim();
  await vi.waitFor(reading(key), effective);

  const id = key.split("-")[2] ?? "";
  const decisions = readFileSync(file("decisions.jsonl"), "utf8").trimEnd().split("\n");
  expect(JSON.parse(decisions.at(-1) ?? "")).toMatchObject({ outcome: "allowed", credentialIds: [id] });
  expect(decisions.join("")).not.toContain(key.slice(-51));
  const uses = file("api-key-uses.json");
  await vi.waitUntil(() => existsSync(uses) && readFileSync(uses, "utf8").includes(`"${id}":`), effective);
});
