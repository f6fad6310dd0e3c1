import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import { reasonOf } from "@zero-trust/auth";
import { apiKey, connect, hmac } from "@zero-trust/auth/client";
import { channelsTo } from "@zero-trust/infra/callers";
import { runCommands } from "@zero-trust/infra/command-line/run-commands";
import { keysCommands } from "@zero-trust/infra/keys/commands";
import type { Workload } from "@zero-trust/infra/names";
import { newStackFolder, type Stack, startStack } from "@zero-trust/infra/stack";
import { OrderService } from "@zero-trust/proto/order/v1";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { createClient, RpcError } from "@zero-trust/rpc";
import { afterAll, beforeAll, expect, test, vi } from "vitest";

// Each waits, several times, for what polls every few seconds.
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

/** What anybody may rely on: a revocation of whatever kind is effective after that. */
const effective = { timeout: 30_000, interval: 100 };
const file = (path: string) => join(stack.deployment.folder, path);

/** `pnpm zt keys …`, on the files of the running services; gives what it printed. */
async function zt(line: string): Promise<string> {
  const printed: string[] = [];
  const argv = line.split(" ");
  await runCommands("keys", keysCommands, argv, {
    print: (text) => void printed.push(text),
    note: () => undefined,
    now: Date.now,
  });
  return printed.join("\n").trim();
}

const channels = (from: Workload, service: "order" | "payment") =>
  opened.adopt(channelsTo(stack, from, service), (them) => them.close());
const reportingWith = (key: string) =>
  createClient(PaymentService, connect({ channels: channels("reporting", "payment"), credentials: [apiKey({ key })] }));
const readingLedger = (key: string) => {
  const client = reportingWith(key);
  return () => client.listTransactions({});
};
const readingOrders = (key: string) => {
  const authenticated = connect({ channels: channels("reporting", "order"), credentials: [apiKey({ key })] });
  const client = createClient(OrderService, authenticated);
  return (): Promise<unknown> => client.listOrders({});
};

async function outcomeOf(call: Promise<unknown>): Promise<string> {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error === undefined) return "OK";
  if (!(error instanceof RpcError)) throw new Error("the call failed before it was made", { cause: error });
  return `${status[error.code]} ${reasonOf(error)}`;
}

/** Waits until a call has another outcome than now, says how long that took, and gives it. */
async function changed(call: () => Promise<unknown>, from: string): Promise<string> {
  const startMs = performance.now();
  let outcome = from;
  await vi.waitUntil(async () => {
    outcome = await outcomeOf(call());
    return outcome !== from;
  }, effective);
  console.log(`${from} → ${outcome} after ${Math.round(performance.now() - startMs)} ms`);
  return outcome;
}

const idOf = (key: string) => key.split("-")[2] ?? "";
const refused = "UNAUTHENTICATED CREDENTIAL_INVALID";

test("K11, K8: an API key is issued, rotated and revoked while payment runs: both secrets, then the new one, then none", async () => {
  const keys = file("payment/api-keys.json");
  const to = "--client reporting --audience https://payment.production.internal --scope read:transactions";
  const first = await zt(`issue api --file ${keys} ${to}`);
  const before = reportingWith(first);
  expect(await changed(() => before.listTransactions({}), refused)).toBe("OK");

  const second = await zt(`rotate api ${idOf(first)} --file ${keys} --overlap 10s`);
  const after = reportingWith(second);
  expect(await changed(() => after.listTransactions({}), refused)).toBe("OK");
  expect(await outcomeOf(before.listTransactions({}))).toBe("OK");
  expect(await changed(() => before.listTransactions({}), "OK")).toBe(refused);
  expect(await outcomeOf(after.listTransactions({}))).toBe("OK");

  await zt(`revoke api ${idOf(first)} --file ${keys}`);
  expect(await changed(() => after.listTransactions({}), "OK")).toBe(refused);
  expect(await outcomeOf(reportingWith(stack.deployment.apiKey).listTransactions({}))).toBe("OK");
  const held = readFileSync(keys, "utf8");
  for (const key of [first, second]) expect(held).not.toContain(key.slice(-51));
});

test.each([
  ["payment", "read:transactions", readingLedger],
  ["order", "read:orders", readingOrders],
] as const)("%s writes down every decision, and when a key is used", async (service, scope, callWith) => {
  const to = `--client reporting --audience https://${service}.production.internal --scope ${scope}`;
  const key = await zt(`issue api --file ${file(`${service}/api-keys.json`)} ${to}`);
  expect(await changed(callWith(key), refused)).toBe("OK");
  const decisions = readFileSync(file(`${service}/decisions.jsonl`), "utf8")
    .trimEnd()
    .split("\n");
  expect(JSON.parse(decisions.at(-1) ?? "")).toMatchObject({ outcome: "allowed", credentialIds: [idOf(key)] });
  expect(decisions.join("")).not.toContain(key.slice(-51));
  const uses = file(`${service}/api-key-uses.json`);
  await vi.waitUntil(() => existsSync(uses) && readFileSync(uses, "utf8").includes(`"${idOf(key)}":`), effective);
});

test("H9: a signing key is rotated while payment runs: both ids sign, then the revoked one does not", async () => {
  const files = `--file ${file("payment/signing-keys.json")} --key-encryption-key ${file("payment/key-encryption-key")}`;
  const { id, secret } = stack.deployment.signing.storefront;
  const next = JSON.parse(await zt(`rotate signing ${id} ${files} --json`)) as Record<"id" | "secret", string>;
  const signedBy = (signing: Parameters<typeof hmac>[0]) => {
    const credentials = [hmac(signing)];
    const client = createClient(PaymentService, connect({ channels: channels("storefront", "payment"), credentials }));
    return () => client.getPayment({ paymentId: `pay_${"0".repeat(32)}` });
  };
  const [old, fresh] = [signedBy({ keyId: id, secret }), signedBy({ keyId: next.id, secret: next.secret })];
  // There is no such payment: whoever is told so was let in.
  expect(await changed(fresh, refused)).toBe("NOT_FOUND undefined");
  expect(await outcomeOf(old())).toBe("NOT_FOUND undefined");
  await zt(`revoke signing ${id} ${files}`);
  expect(await changed(old, "NOT_FOUND undefined")).toBe(refused);
  expect(await outcomeOf(fresh())).toBe("NOT_FOUND undefined");
});
