import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openDatabase } from "@zero-trust/database";
import { PaymentState } from "@zero-trust/proto/payment/v1";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LedgerStore } from "../src/ledger-store.ts";
import { migrations, type PaymentSchema } from "../src/migrations.ts";
import { simulatedAcquirer } from "../src/simulated-acquirer.ts";

const program = fileURLToPath(new URL("take-payment.ts", import.meta.url));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "killed-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function takePayment(dieAfter: string) {
  return spawnSync(process.execPath, ["--conditions=source", program, folder, dieAfter], { encoding: "utf8" });
}

async function charges(): Promise<number> {
  const acquirer = await simulatedAcquirer({ file: join(folder, "acquirer.db") });
  const count = await acquirer.countCharges();
  await acquirer.close();
  return count;
}

test.each([
  ["authorize", "the acquirer held the amount", 0],
  ["capture", "the acquirer charged the amount", 1],
  ["settle", "the capture was written down, before the reply", 1],
])("killed after %s (%s), the same requests again make one charge", async (step, _, chargesWhenKilled) => {
  expect(takePayment(step)).toMatchObject({ signal: "SIGKILL", stdout: "" });
  expect(await charges()).toBe(chargesWhenKilled);

  expect(takePayment("nothing")).toMatchObject({ status: 0, stdout: `${PaymentState.CAPTURED}\n` });
  expect(await charges()).toBe(1);

  const db = await openDatabase<PaymentSchema>({ file: join(folder, "payment.db"), migrations });
  expect(await new LedgerStore(db).linesAfter({ after: "", limit: 10 })).toMatchObject([
    { account: "ACQUIRER", minorUnits: 2599n },
    { account: "CLIENT", minorUnits: -2599n },
  ]);
  await db.destroy();
});
