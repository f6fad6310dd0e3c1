// PostgreSQL whose disk is full. It takes a container, which `pnpm test:e2e stores` gives it.
import { status } from "@grpc/grpc-js";
import { openDatabase } from "@zero-trust/database";
import { createDatabase, locationOn } from "@zero-trust/database/test/databases";
import { PaymentState } from "@zero-trust/proto/payment/v1";
import { imageFor, startPostgres } from "@zero-trust/testkit/servers";
import { sql } from "kysely";
import { expect, onTestFinished, test } from "vitest";
import { type CredentialsOf, startPayment } from "./start-payment.ts";

const requestId = (number: number) => `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`;
/** A page of a table has room for a few dozen. */
const most = 500;

test.runIf(imageFor("postgres") !== undefined)(
  "a database whose disk is full: UNAVAILABLE until there is room, and the same requests again charge once",
  async () => {
    await using server = await startPostgres({ diskBytes: 96 * 1024 * 1024 });
    const superuser = await openDatabase<unknown>({ ...locationOn(server, server.database), migrations: {} });
    onTestFinished(() => superuser.destroy());
    await using payment = await startPayment({}, { database: await createDatabase(server, "payment") });
    const { rows } = await sql<{ data_directory: string }>`show data_directory`.execute(superuser);
    const writeFiller = async (megabytes: number) => {
      const content = `select repeat('x', 1000000) from generate_series(1, ${megabytes})`;
      await sql.raw(`copy (${content}) to '${rows[0]?.data_directory}/filler'`).execute(superuser);
    };
    const orders = await payment.clientAs("order-service", (as: CredentialsOf) => [
      as.token("write:payments"),
      as.signature(),
    ]);
    const reader = await payment.clientAs("storefront", (as: CredentialsOf) => [as.token("read:transactions")]);
    const pay = async (number: number) => {
      const amount = { currencyCode: "EUR", minorUnits: 2599n };
      const asked = { requestId: requestId(number), client: "storefront", reference: "ord_1", amount };
      const { payment: created } = await orders.createPayment(asked);
      const paymentId = created?.paymentId ?? "";
      const capture = { requestId: requestId(number + 1_000), client: "storefront", paymentId };
      return (await orders.capturePayment(capture)).payment;
    };

    const first = await pay(1);
    await expect(writeFiller(1_000)).rejects.toMatchObject({ code: "53100" });
    let paid = 1;
    let refusal: unknown;
    while (refusal === undefined && paid < most)
      await pay(paid + 1).then(
        () => (paid += 1),
        (error: unknown) => (refusal = error),
      );
    expect(refusal).toMatchObject({
      code: status.UNAVAILABLE,
      message: "The database cannot be used now: send the same request again.",
    });
    // What needs no room is answered meanwhile.
    expect((await reader.getPayment({ paymentId: first?.paymentId ?? "" })).payment).toEqual(first);

    await writeFiller(0);
    const captured = await Promise.all(Array.from({ length: paid + 1 }, (_, number) => pay(number + 1)));
    expect(captured.map((each) => each?.state)).toEqual(captured.map(() => PaymentState.CAPTURED));
    expect(await payment.countCharges()).toBe(paid + 1);
  },
);
