// What is served once is served once by all replicas together: they share what they remember.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type GetPaymentRequestSchema, PaymentService } from "@zero-trust/proto/payment/v1";
import { expect } from "vitest";
import type { Fleet, Replica } from "../fleet/fleet.ts";
import { canStartFleet, startFleet } from "../fleet/start.ts";
import { becomes } from "./becomes.ts";
import { onTheWire } from "./call.ts";
import { newPayment, payingCall, signedBy } from "./credentials.ts";
import { rawCallerOn } from "./raw-caller.ts";
import { readingCall } from "./reading-call.ts";
import { scenariosOf } from "./scenario.ts";
import type { Trial } from "./trial.ts";

const { createPayment, getPayment } = PaymentService.method;
const replayed = "UNAUTHENTICATED CREDENTIAL_REPLAYED";
const unavailable = "UNAVAILABLE CHECK_UNAVAILABLE";

/** Reads a payment of storefront's: with storefront's certificate it takes a signature and nothing else. */
let message: MessageInitShape<typeof GetPaymentRequestSchema>;

const scenario = scenariosOf(() => startFleet({ payments: 3, orders: 1 }), {
  canStart: canStartFleet,
  prepare: async (fleet) => {
    message = (await readingCall(fleet)).message ?? {};
  },
});

/** The same scenario at each replica of payment in turn. */
const atEach = (trial: Trial<Fleet>): readonly (readonly [Replica, Trial<Fleet>])[] =>
  trial.stack.payments.map((payment) => [payment, trial.on({ payment })]);
const signed = ({ stack }: Trial<Fleet>) => signedBy(stack, "storefront", getPayment, message);
const reading = (trial: Trial<Fleet>, metadata = signed(trial)) =>
  trial.call(getPayment, { as: "storefront", message, metadata });

scenario("H2b", "what one replica has served, no other one serves", async (trial) => {
  const payment = newPayment();
  const right = await payingCall(trial.stack, payment);
  trial.observe("a signed payment", "OK", (await trial.call(createPayment, right)).status);
  for (const [{ name }, at] of atEach(trial)) {
    await at.denied({
      what: `the same bytes at ${name}`,
      expected: replayed,
      by: "payment",
      attack: () => at.call(createPayment, right),
      // The same request, signed anew: it gets the same answer, whoever was asked first.
      control: async () => at.call(createPayment, await payingCall(at.stack, payment)),
    });
  }
});

scenario("H2b", "after Valkey came back empty, nothing from before it is served by any replica", async (trial) => {
  const captured = signed(trial);
  trial.observe("sent before", "OK", (await reading(trial, captured)).status);
  const { valkey } = trial.stack;
  await valkey.stop();
  await valkey.start();
  for (const [{ name }, at] of atEach(trial)) {
    await at.denied({
      what: `sent before Valkey was emptied, again at ${name}`,
      expected: unavailable,
      by: "payment",
      attack: () => reading(at, captured),
      control: () => becomes("OK", () => reading(at)),
    });
  }
});

scenario("H3", "of 100 copies at once over all replicas one is served", async (trial) => {
  await using opened = new AsyncDisposableStack();
  const callers = await Promise.all(
    atEach(trial).map(async ([, at]) => opened.use(await rawCallerOn(at.stack, "payment", "storefront"))),
  );
  const round = async () => {
    const copy = { ...onTheWire(getPayment, message), metadata: signed(trial) };
    const statusOf = async (at: number) => (await callers[at % callers.length]?.call(copy))?.status ?? "";
    return await Promise.all(Array.from({ length: 100 }, (_, at) => statusOf(at)));
  };
  // On a busy machine some come too late to be checked, and are not served for that.
  for (let whole = 0, tried = 1; whole < 5; tried += 1) {
    expect(tried).toBeLessThan(100);
    const statuses = await round();
    const others = statuses.filter((status) => status !== "OK");
    expect(others.length).toBeGreaterThanOrEqual(99);
    if (others.length !== 99 || others.includes(unavailable)) continue;
    whole += 1;
    trial.observe(`100 copies at once, round ${whole}, all but one`, replayed, [...new Set(others)].join());
  }
});
