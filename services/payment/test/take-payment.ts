// A process that takes one payment, and kills itself where it is told to: `take-payment.ts <folder> <step>`.
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { openDatabase } from "@zero-trust/database";
import { CapturePaymentRequestSchema, CreatePaymentRequestSchema } from "@zero-trust/proto/payment/v1";
import type { Acquirer } from "../src/acquirer.ts";
import { migrations, type PaymentSchema } from "../src/migrations.ts";
import { Payments } from "../src/payments.ts";
import { simulatedAcquirer } from "../src/simulated-acquirer.ts";
import { PaymentStore } from "../src/store.ts";

const [folder = "", dieAfter = ""] = process.argv.slice(2);

async function diesAfter<T>(step: string, answer: Promise<T>): Promise<T> {
  const received = await answer;
  if (step === dieAfter) process.kill(process.pid, "SIGKILL");
  return received;
}

const acquirer = await simulatedAcquirer({ file: join(folder, "acquirer.db") });
const deadly: Acquirer = {
  authorize: (key, amount) => diesAfter("authorize", acquirer.authorize(key, amount)),
  capture: (key) => diesAfter("capture", acquirer.capture(key)),
};
const db = await openDatabase<PaymentSchema>({ file: join(folder, "payment.db"), migrations });
const payments = new Payments({ store: new PaymentStore(db), acquirer: deadly });

const { payment } = await payments.create(
  "order-service",
  create(CreatePaymentRequestSchema, {
    requestId: "00000000-0000-4000-8000-000000000001",
    client: "storefront",
    reference: "ord_1",
    amount: { currencyCode: "EUR", minorUnits: 2599n },
  }),
);
const captured = payments.capture(
  "order-service",
  create(CapturePaymentRequestSchema, {
    requestId: "00000000-0000-4000-8000-000000000002",
    client: "storefront",
    paymentId: payment?.paymentId ?? "",
  }),
);
const reply = await diesAfter("settle", captured);
process.stdout.write(`${reply.payment?.state}\n`);
await db.destroy();
await acquirer.close();
