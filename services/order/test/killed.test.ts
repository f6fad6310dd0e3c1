import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Outbox } from "../src/outbox.ts";
import { OutboxStore } from "../src/outbox-store.ts";
import { OrderStore } from "../src/store.ts";
import { openOrders } from "./open-orders.ts";
import { paymentDouble } from "./payment-double.ts";

const program = fileURLToPath(new URL("pay-order.ts", import.meta.url));
const log = { info: () => undefined, warn: () => undefined, error: () => undefined };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "killed-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test.each([
  ["placed", "the order was acknowledged", 0],
  ["create", "the payment was asked for", 1],
  ["created", "the payment was created, before the answer", 1],
  ["captured", "the payment was captured, before the answer", 2],
])("killed at %s (%s), the next process pays the order with the same requests", async (moment, _, requests) => {
  const killed = spawnSync(process.execPath, ["--conditions=source", program, folder, moment], { encoding: "utf8" });
  expect(killed).toMatchObject({ signal: "SIGKILL", stderr: "" });
  const [orderId = "", ...lines] = killed.stdout.trimEnd().split("\n");
  const asked = new Set(lines);
  expect(asked.size).toBe(requests);

  const db = await openOrders(folder);
  const settled = Promise.withResolvers<string>();
  const { payments, calls } = paymentDouble();
  const outbox = new Outbox({ store: new OutboxStore(db), payments, log, onSettled: settled.resolve });
  await outbox.start();
  expect(await settled.promise).toBe(orderId);
  expect(await new OrderStore(db).find("storefront", orderId)).toMatchObject({ state: "PAID" });
  // Whatever the first process asked for, the second one asked for with the same request ids.
  expect(calls).toHaveLength(2);
  expect([...asked].filter((call) => !calls.includes(call))).toEqual([]);
  await outbox.close();
  await db.destroy();
});
