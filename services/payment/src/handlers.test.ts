import { Channel, credentials, Metadata, Server, ServerCredentials, status } from "@grpc/grpc-js";
import { type Engine, openDatabase } from "@zero-trust/database";
import { type Databases, startDatabases } from "@zero-trust/database/test/databases";
import { Difference, LedgerAccount, PaymentService, PaymentState } from "@zero-trust/proto/payment/v1";
import { addService, type Client, createClient, encodePageToken } from "@zero-trust/rpc";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Acquirer, AcquirerUnavailableError } from "./acquirer.ts";
import { paymentHandlers } from "./handlers.ts";
import { LedgerStore } from "./ledger-store.ts";
import { migrations, type PaymentSchema } from "./migrations.ts";
import { Payments } from "./payments.ts";
import { simulatedAcquirer } from "./simulated-acquirer.ts";
import { PaymentStore } from "./store.ts";

describe.each<Engine>(["sqlite", "postgres"])("on %s", (engine) => {
  let databases: Databases;
  beforeAll(async () => {
    databases = await startDatabases(engine);
  });
  afterAll(() => databases[Symbol.asyncDispose]());

  const cleanUps: (() => unknown)[] = [];
  let client: Client<typeof PaymentService>;
  let acquirerAnswers = true;

  beforeEach(async () => {
    const db = await openDatabase<PaymentSchema>({ ...(await databases.fresh()), migrations });
    cleanUps.push(() => db.destroy());
    const simulated = await simulatedAcquirer(await databases.fresh());
    cleanUps.push(() => simulated.close());
    acquirerAnswers = true;
    const acquirer: Acquirer = {
      authorize(key, amount) {
        if (!acquirerAnswers) throw new AcquirerUnavailableError("The line to the bank is down.");
        return simulated.authorize(key, amount);
      },
      capture: (key) => simulated.capture(key),
    };
    const store = new PaymentStore(db);
    const server = new Server();
    const handlers = paymentHandlers({
      store,
      payments: new Payments({ store, acquirer }),
      ledger: new LedgerStore(db),
      callerOf: (metadata) => String(metadata.get("test-caller")[0]),
    });
    addService(server, PaymentService, handlers);
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    );
    cleanUps.push(() => server.forceShutdown());
    const channel = new Channel(`127.0.0.1:${port}`, credentials.createInsecure(), {});
    cleanUps.push(() => channel.close());
    client = createClient(PaymentService, { channel: () => channel });
  });
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
  });

  function as(caller: string) {
    const metadata = new Metadata();
    metadata.set("test-caller", caller);
    return { metadata };
  }

  let requests = 0;
  const requestId = () => `00000000-0000-4000-8000-${String(++requests).padStart(12, "0")}`;

  async function authorized(minorUnits = 2599n): Promise<string> {
    const { payment } = await client.createPayment(
      { requestId: requestId(), client: "storefront", reference: "ord_1", amount: { currencyCode: "EUR", minorUnits } },
      as("order-service"),
    );
    return payment?.paymentId ?? "";
  }

  async function captured(minorUnits?: bigint): Promise<string> {
    const paymentId = await authorized(minorUnits);
    await client.capturePayment({ requestId: requestId(), client: "storefront", paymentId }, as("order-service"));
    return paymentId;
  }

  test("creates, captures and reads a payment", async () => {
    const paymentId = await captured();
    const { payment } = await client.getPayment({ paymentId, client: "storefront" }, as("order-service"));
    expect(payment).toMatchObject({
      paymentId,
      client: "storefront",
      reference: "ord_1",
      amount: { currencyCode: "EUR", minorUnits: 2599n },
      state: PaymentState.CAPTURED,
    });
  });

  test("a caller that names no client means itself", async () => {
    const paymentId = await captured();
    expect((await client.getPayment({ paymentId }, as("storefront"))).payment?.paymentId).toBe(paymentId);
  });

  test("another client's payment is answered like one that does not exist", async () => {
    const paymentId = await captured();
    const nobody = await client
      .getPayment({ paymentId: `pay_${"0".repeat(32)}` }, as("partner"))
      .catch((e: unknown) => e);
    expect(nobody).toMatchObject({ code: status.NOT_FOUND, message: "There is no such payment." });
    const calls = [
      client.getPayment({ paymentId }, as("partner")),
      client.getPayment({ paymentId, client: "storefront" }, as("partner")),
      client.getPayment({ paymentId, client: "partner" }, as("order-service")),
      client.capturePayment({ requestId: requestId(), client: "partner", paymentId }, as("order-service")),
    ];
    await Promise.all(
      calls.map((call) =>
        expect(call).rejects.toMatchObject({ code: status.NOT_FOUND, message: "There is no such payment." }),
      ),
    );
  });

  test("answers each failure with its own status", async () => {
    const id = requestId();
    const request = {
      requestId: id,
      client: "storefront",
      reference: "r",
      amount: { currencyCode: "EUR", minorUnits: 13n },
    };
    const { payment } = await client.createPayment(request, as("order-service"));
    expect(payment?.state).toBe(PaymentState.DECLINED);
    await expect(client.createPayment({ ...request, reference: "other" }, as("order-service"))).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
      message: "This request_id was used for another request.",
    });
    await expect(
      client.capturePayment(
        { requestId: requestId(), client: "storefront", paymentId: payment?.paymentId ?? "" },
        as("order-service"),
      ),
    ).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
      message: "The payment is not in the state AUTHORIZED.",
    });
  });

  test("an acquirer that does not answer is UNAVAILABLE, and the same request goes on later", async () => {
    const request = {
      requestId: requestId(),
      client: "storefront",
      reference: "r",
      amount: { currencyCode: "EUR", minorUnits: 1n },
    };
    acquirerAnswers = false;
    await expect(client.createPayment(request, as("order-service"))).rejects.toMatchObject({
      code: status.UNAVAILABLE,
      message: "The acquirer does not answer: send the same request again.",
    });
    acquirerAnswers = true;
    const { payment } = await client.createPayment(request, as("order-service"));
    expect(payment?.state).toBe(PaymentState.AUTHORIZED);
  });

  test("lists the whole ledger page by page, each line once, oldest first", async () => {
    for (const minorUnits of [1n, 2n, 3n]) await captured(minorUnits);
    const seen: bigint[] = [];
    let pageToken = "";
    let pages = 0;
    do {
      const page = await client.listTransactions({ pageSize: 4, pageToken }, as("reporting"));
      seen.push(...page.transactions.map((line) => line.minorUnits));
      pageToken = page.nextPageToken;
      pages++;
    } while (pageToken !== "");
    expect(pages).toBe(2);
    expect(seen).toEqual([1n, -1n, 2n, -2n, 3n, -3n]);
  });

  test("a page that ends with the ledger has no next page", async () => {
    await captured();
    const { transactions, nextPageToken } = await client.listTransactions({ pageSize: 2 }, as("reporting"));
    expect(transactions).toHaveLength(2);
    expect(nextPageToken).toBe("");
  });

  test("refuses a page token that was tampered with", async () => {
    for (const minorUnits of [1n, 2n]) await captured(minorUnits);
    const { nextPageToken } = await client.listTransactions({ pageSize: 1 }, as("reporting"));
    const flipped = nextPageToken.startsWith("A") ? `B${nextPageToken.slice(1)}` : `A${nextPageToken.slice(1)}`;
    // Made with the right sum, of what no database of text can read.
    const made = encodePageToken({ list: "payment.v1.PaymentService/ListTransactions", after: "txn_\0" });
    for (const pageToken of [flipped, made]) {
      await expect(client.listTransactions({ pageToken }, as("reporting"))).rejects.toMatchObject({
        code: status.INVALID_ARGUMENT,
      });
    }
  });

  test.each(["\0", "line\nbreak", ""])("refuses the reference %j, and keeps any other text", async (reference) => {
    const amount = { currencyCode: "EUR", minorUnits: 1n };
    const asked = { requestId: requestId(), client: "storefront", amount };
    await expect(client.createPayment({ ...asked, reference }, as("order-service"))).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
    });
    const { payment } = await client.createPayment({ ...asked, reference: "№ 7 – Grüße 🎁" }, as("order-service"));
    expect(payment?.reference).toBe("№ 7 – Grüße 🎁");
  });

  test("reconciles: answers the lines that differ and keeps silent about the others", async () => {
    await captured(2599n);
    const { transactions } = await client.listTransactions({}, as("reporting"));
    const [debit, credit] = transactions;
    if (debit === undefined || credit === undefined) throw new Error("The ledger is empty.");
    const unknown = `txn_${"0".repeat(32)}`;
    const theirs = async function* () {
      yield { transactionId: debit.transactionId, currencyCode: "EUR", minorUnits: 2599n };
      yield { transactionId: credit.transactionId, currencyCode: "EUR", minorUnits: 2599n };
      yield { transactionId: credit.transactionId, currencyCode: "USD", minorUnits: -2599n };
      yield { transactionId: unknown, currencyCode: "EUR", minorUnits: 1n };
    };
    const answers = [];
    for await (const answer of client.reconcileTransactions(theirs(), as("order-service"))) answers.push(answer);
    expect(answers).toMatchObject([
      {
        transactionId: credit.transactionId,
        difference: Difference.AMOUNT,
        transaction: { account: LedgerAccount.CLIENT, minorUnits: -2599n },
      },
      { transactionId: credit.transactionId, difference: Difference.AMOUNT },
      { transactionId: unknown, difference: Difference.UNKNOWN_LINE },
    ]);
    expect(answers[2]?.transaction).toBeUndefined();
  });
});
