// A process that places one order and pays it, and kills itself at a given moment: `pay-order.ts <folder> <moment>`.
import { writeSync } from "node:fs";
import { Outbox } from "../src/outbox.ts";
import { OutboxStore } from "../src/outbox-store.ts";
import { openOrders, placeOrder } from "./open-orders.ts";
import { paymentDouble } from "./payment-double.ts";

const [folder = "", moment = ""] = process.argv.slice(2);

function dieAt(now: string): void {
  if (now === moment) process.kill(process.pid, "SIGKILL");
}

const db = await openOrders(folder);
// Written at once: what a killed process has buffered is lost.
writeSync(1, `${await placeOrder(db)}\n`);
dieAt("placed");

const settled = Promise.withResolvers<string>();
const double = paymentDouble((now) => {
  writeSync(1, `${double.calls.at(-1)}\n`);
  dieAt(now);
});
const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
await new Outbox({ store: new OutboxStore(db), payments: double.payments, log, onSettled: settled.resolve }).start();
await settled.promise;
