import { create } from "@bufbuild/protobuf";
import { type Engine, openDatabase } from "@zero-trust/database";
import { type Databases, startDatabases } from "@zero-trust/database/test/databases";
import {
  CapturePaymentRequestSchema,
  type CreatePaymentRequest,
  CreatePaymentRequestSchema,
  PaymentState,
} from "@zero-trust/proto/payment/v1";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Acquirer, AcquirerUnavailableError } from "./acquirer.ts";
import { sumByCurrency } from "./ledger.ts";
import { LedgerStore } from "./ledger-store.ts";
import { migrations, type PaymentSchema } from "./migrations.ts";
import { PaymentError } from "./payment-error.ts";
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
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
  });

  async function bench(acquirerOf: (acquirer: Acquirer) => Acquirer = (acquirer) => acquirer) {
    const db = await openDatabase<PaymentSchema>({ ...(await databases.fresh()), migrations });
    cleanUps.push(() => db.destroy());
    const acquirer = await simulatedAcquirer(await databases.fresh());
    cleanUps.push(() => acquirer.close());
    const store = new PaymentStore(db);
    const payments = new Payments({ store, acquirer: acquirerOf(acquirer) });
    return { acquirer, store, payments, ledger: new LedgerStore(db) };
  }

  const requestId = (number = 1) => `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`;

  const asked = (init: Partial<CreatePaymentRequest> & { minorUnits?: bigint } = {}) =>
    create(CreatePaymentRequestSchema, {
      requestId: requestId(),
      client: "storefront",
      reference: "ord_1",
      amount: { currencyCode: "EUR", minorUnits: init.minorUnits ?? 2599n },
      ...(init.requestId === undefined ? {} : { requestId: init.requestId }),
      ...(init.client === undefined ? {} : { client: init.client }),
    });

  const capture = (paymentId: string, id = requestId(1000), client = "storefront") =>
    create(CapturePaymentRequestSchema, { requestId: id, paymentId, client });

  test("a payment is authorized, then captured, charged once and written to both sides of the ledger", async () => {
    const { payments, acquirer, ledger } = await bench();
    const { payment } = await payments.create("order-service", asked());
    expect(payment).toMatchObject({ client: "storefront", reference: "ord_1", state: PaymentState.AUTHORIZED });
    expect(payment?.paymentId).toMatch(/^pay_[0-9a-f]{32}$/u);
    expect(await acquirer.countCharges()).toBe(0);

    const captured = await payments.capture("order-service", capture(payment?.paymentId ?? ""));
    expect(captured.payment?.state).toBe(PaymentState.CAPTURED);
    expect(await acquirer.countCharges()).toBe(1);
    expect(await ledger.linesAfter({ after: "", limit: 10 })).toMatchObject([
      { account: "ACQUIRER", currencyCode: "EUR", minorUnits: 2599n, client: "storefront" },
      { account: "CLIENT", currencyCode: "EUR", minorUnits: -2599n, client: "storefront" },
    ]);
  });

  test("an amount that the acquirer declines ends the payment", async () => {
    const { payments, acquirer } = await bench();
    const { payment } = await payments.create("order-service", asked({ minorUnits: 1013n }));
    expect(payment?.state).toBe(PaymentState.DECLINED);
    await expect(payments.capture("order-service", capture(payment?.paymentId ?? ""))).rejects.toMatchObject({
      failure: "NOT_AUTHORIZED",
    });
    expect(await acquirer.countCharges()).toBe(0);
  });

  test("the same request gets the first answer, though the payment has moved on", async () => {
    const { payments, acquirer } = await bench();
    const first = await payments.create("order-service", asked());
    const paymentId = first.payment?.paymentId ?? "";
    const captured = await payments.capture("order-service", capture(paymentId));
    expect(await payments.create("order-service", asked())).toEqual(first);
    expect(await payments.capture("order-service", capture(paymentId))).toEqual(captured);
    expect(await acquirer.countCharges()).toBe(1);
  });

  test("the same request twice at once is one payment", async () => {
    const { payments, acquirer } = await bench();
    const [first, second] = await Promise.all([1, 2].map(() => payments.create("order-service", asked())));
    expect(first).toEqual(second);
    const paymentId = first?.payment?.paymentId ?? "";
    const captures = await Promise.all([1, 2].map(() => payments.capture("order-service", capture(paymentId))));
    expect(captures[0]).toEqual(captures[1]);
    expect(await acquirer.countCharges()).toBe(1);
  });

  test("of two equal requests at once, the one that is late does not change the answer", async () => {
    const late = Promise.withResolvers<void>();
    let calls = 0;
    const { payments } = await bench((real) => ({
      async authorize(key, amount) {
        const answer = await real.authorize(key, amount);
        calls++;
        if (calls === 2) await late.promise;
        return answer;
      },
      capture: (key) => real.capture(key),
    }));
    const both = [1, 2].map(() => payments.create("order-service", asked()));
    const first = await Promise.race(both);
    await payments.capture("order-service", capture(first.payment?.paymentId ?? ""));
    late.resolve();
    expect(await Promise.all(both)).toEqual([first, first]);
    expect(await payments.create("order-service", asked())).toEqual(first);
  });

  test("two captures of one payment at once are one charge and one entry", async () => {
    const { payments, acquirer, ledger } = await bench();
    const { payment } = await payments.create("order-service", asked());
    const both = await Promise.allSettled(
      [1, 2].map((number) =>
        payments.capture("order-service", capture(payment?.paymentId ?? "", requestId(number + 5))),
      ),
    );
    // One that begins when the other has ended comes too late, and is told so.
    const refused = both.filter((each) => each.status === "rejected");
    expect(refused.length).toBeLessThan(2);
    for (const { reason } of refused) expect(reason).toMatchObject({ failure: "NOT_AUTHORIZED" });
    expect(await acquirer.countCharges()).toBe(1);
    expect(await ledger.linesAfter({ after: "", limit: 10 })).toHaveLength(2);
  });

  test("refuses a request_id that was used for another request, of the same method or of the other", async () => {
    const { payments } = await bench();
    const { payment } = await payments.create("order-service", asked());
    const reused = { failure: "REQUEST_REUSED" };
    await expect(payments.create("order-service", asked({ minorUnits: 2600n }))).rejects.toMatchObject(reused);
    await expect(payments.create("order-service", asked({ client: "partner" }))).rejects.toMatchObject(reused);
    await expect(
      payments.capture("order-service", capture(payment?.paymentId ?? "", requestId())),
    ).rejects.toMatchObject(reused);
  });

  test("the same request_id of another caller is another request", async () => {
    const { payments } = await bench();
    const ours = await payments.create("order-service", asked());
    const theirs = await payments.create("partner", asked({ minorUnits: 1n }));
    expect(theirs.payment?.paymentId).not.toBe(ours.payment?.paymentId);
  });

  test("a payment exists for its client and for its creator, each of whom has to name the client", async () => {
    const { payments, store } = await bench();
    const { payment } = await payments.create("order-service", asked());
    const paymentId = payment?.paymentId ?? "";
    const seenBy = async (caller: string, client: string) =>
      (await store.find({ paymentId, caller, client })) !== undefined;
    expect(await seenBy("storefront", "storefront")).toBe(true);
    expect(await seenBy("order-service", "storefront")).toBe(true);
    expect(await seenBy("order-service", "order-service")).toBe(false);
    expect(await seenBy("order-service", "partner")).toBe(false);
    expect(await seenBy("partner", "storefront")).toBe(false);
    expect(await seenBy("partner", "partner")).toBe(false);
  });

  test("a payment that the caller may not see cannot be captured and leaves no trace of the try", async () => {
    const { payments, acquirer } = await bench();
    const { payment } = await payments.create("order-service", asked());
    const paymentId = payment?.paymentId ?? "";
    const notFound = { failure: "NOT_FOUND" };
    await expect(payments.capture("partner", capture(paymentId))).rejects.toMatchObject(notFound);
    await expect(payments.capture("order-service", capture(paymentId, requestId(7), "partner"))).rejects.toMatchObject(
      notFound,
    );
    expect(await acquirer.countCharges()).toBe(0);
    // The refused request claimed nothing: the id is still free for the right one.
    const { payment: captured } = await payments.capture("order-service", capture(paymentId, requestId(7)));
    expect(captured?.state).toBe(PaymentState.CAPTURED);
  });

  test("an acquirer that does not answer leaves the request to be made again, for one charge", async () => {
    let silent = 2;
    const { payments, acquirer } = await bench((real) => ({
      authorize: async (key, amount) => {
        const answer = await real.authorize(key, amount);
        if (silent-- > 0) throw new AcquirerUnavailableError("no answer");
        return answer;
      },
      capture: async (key) => {
        const answer = await real.capture(key);
        if (silent-- > 0) throw new AcquirerUnavailableError("no answer");
        return answer;
      },
    }));
    await expect(payments.create("order-service", asked())).rejects.toThrow(AcquirerUnavailableError);
    await expect(payments.create("order-service", asked())).rejects.toThrow(AcquirerUnavailableError);
    const { payment } = await payments.create("order-service", asked());
    const paymentId = payment?.paymentId ?? "";
    silent = 1;
    await expect(payments.capture("order-service", capture(paymentId))).rejects.toThrow(AcquirerUnavailableError);
    const { payment: captured } = await payments.capture("order-service", capture(paymentId));
    expect(captured?.state).toBe(PaymentState.CAPTURED);
    expect(await acquirer.countCharges()).toBe(1);
  });

  interface Operation {
    readonly kind: string;
    readonly caller: string;
    readonly client: string;
    readonly id: number;
    readonly target: number;
    readonly minorUnits: bigint;
    readonly currencyCode: string;
  }

  /** Makes one request, and notes what came of it; a refusal is as good as an answer. */
  async function operate(payments: Payments, operation: Operation, known: string[], captured: Map<string, bigint>) {
    const { kind, caller, client, id, target, minorUnits, currencyCode } = operation;
    try {
      if (kind === "create") {
        const amount = { minorUnits, currencyCode };
        const request = { requestId: requestId(id), client, reference: "r", amount };
        const { payment } = await payments.create(caller, create(CreatePaymentRequestSchema, request));
        if (payment !== undefined) known.push(payment.paymentId);
        return;
      }
      const paymentId = known[target % known.length] ?? "pay_none";
      const { payment } = await payments.capture(caller, capture(paymentId, requestId(id + 100), client));
      if (payment?.amount !== undefined) captured.set(payment.paymentId, payment.amount.minorUnits);
    } catch (error) {
      if (!(error instanceof PaymentError)) throw error;
    }
  }

  test("whatever is asked in whatever order, the ledger adds up to zero and holds what was charged", async () => {
    const operation = fc.record({
      kind: fc.constantFrom("create", "create", "capture"),
      caller: fc.constantFrom("order-service", "partner"),
      client: fc.constantFrom("storefront", "partner"),
      id: fc.integer({ min: 1, max: 6 }),
      target: fc.nat({ max: 5 }),
      // Far beyond what a double can hold to the unit.
      minorUnits: fc.oneof(fc.bigInt(1n, 1_000_000_000_000n), fc.bigInt(2n ** 53n, 2n ** 62n)),
      currencyCode: fc.constantFrom("EUR", "JPY"),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 15 }), async (operations) => {
        const { payments, acquirer, ledger } = await bench();
        const known: string[] = [];
        const captured = new Map<string, bigint>();
        for (const each of operations) await operate(payments, each, known, captured);
        const lines = await ledger.linesAfter({ after: "", limit: 1000 });
        expect([...sumByCurrency(lines).values()].every((sum) => sum === 0n)).toBe(true);
        const debits = lines.filter(({ account }) => account === "ACQUIRER");
        expect(new Map(debits.map((line) => [line.paymentId, line.minorUnits]))).toEqual(captured);
        expect(lines).toHaveLength(2 * captured.size);
        expect(await acquirer.countCharges()).toBe(captured.size);
      }),
      { numRuns: engine === "sqlite" ? 25 : 10 },
    );
  });
});
