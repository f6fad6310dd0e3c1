import { join } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { serverTimeOf } from "@zero-trust/auth";
import { connect, hmac } from "@zero-trust/auth/client";
import { memoryNonceStore, hmac as verifying } from "@zero-trust/auth/server";
import { signingKeyFile } from "@zero-trust/auth/stores/file";
import { channelsTo } from "@zero-trust/infra/callers";
import { audiences } from "@zero-trust/infra/names";
import { type GetPaymentRequestSchema, PaymentService } from "@zero-trust/proto/payment/v1";
import { createClient } from "@zero-trust/rpc";
import { PingService } from "@zero-trust/testkit";
import { expect, vi } from "vitest";
import { becomes } from "./becomes.ts";
import { callOn, type Outcome, onTheWire } from "./call.ts";
import { newPayment, payingCall, signedBy } from "./credentials.ts";
import { rawCallerOn } from "./raw-caller.ts";
import { readingCall } from "./reading-call.ts";
import { scenariosOn } from "./scenario.ts";
import { servePing } from "./serve-ping.ts";
import type { Trial } from "./trial.ts";

const { createPayment, getPayment } = PaymentService.method;
const { ping } = PingService.method;
const invalid = "UNAUTHENTICATED CREDENTIAL_INVALID";
const expired = "UNAUTHENTICATED CREDENTIAL_EXPIRED";
const replayed = "UNAUTHENTICATED CREDENTIAL_REPLAYED";
const unavailable = "UNAVAILABLE CHECK_UNAVAILABLE";

/** Reads a payment of storefront's: with storefront's certificate it takes a signature and nothing else. */
let message: MessageInitShape<typeof GetPaymentRequestSchema>;

const scenario = scenariosOn(async (stack) => {
  message = (await readingCall(stack)).message ?? {};
});

/** A signature of storefront's over that call. */
const signed = ({ stack }: Trial, changes: Parameters<typeof signedBy>[4] = {}) =>
  signedBy(stack, "storefront", getPayment, message, changes);
const reading = (trial: Trial, metadata = signed(trial), as: "storefront" | "partner" = "storefront") =>
  trial.call(getPayment, { as, message, metadata });
const nowSeconds = () => Math.floor(Date.now() / 1000);

scenario("H2", "the same bytes are served once, however many come at once", async (trial) => {
  const payment = newPayment();
  const right = await payingCall(trial.stack, payment);
  trial.observe("a signed payment", "OK", (await trial.call(createPayment, right)).status);
  await trial.denied({
    what: "the same bytes again",
    expected: replayed,
    by: "payment",
    attack: () => trial.call(createPayment, right),
    // The same request, signed anew: it gets the same answer.
    control: async () => trial.call(createPayment, await payingCall(trial.stack, payment)),
  });
  await using caller = await rawCallerOn(trial.stack, "payment", "storefront");
  const copy = { ...onTheWire(getPayment, message), metadata: signed(trial) };
  const copies = await Promise.all(Array.from({ length: 50 }, () => caller.call(copy)));
  const others = copies.filter(({ status }) => status !== "OK").map(({ status }) => status);
  trial.observe("50 copies at once, all but one", replayed, [...new Set(others)].join());
  expect(others).toHaveLength(49);
});

scenario(
  "H2",
  "after a restart nothing from before it is served, also if its caller's clock was ahead",
  async (trial) => {
    const { payment } = trial.stack;
    const captured = {
      "sent before a restart": signed(trial),
      "sent before a restart, by a caller whose clock is 4 s ahead": signed(trial, { timestamp: nowSeconds() + 4 }),
    };
    for (const [what, metadata] of Object.entries(captured)) {
      trial.observe(`${what}: the first time`, "OK", (await reading(trial, metadata)).status);
    }
    trial.restarts("payment");
    await payment.stop("SIGKILL");
    await payment.restart();
    const again = async (when: string) => {
      for (const [what, metadata] of Object.entries(captured)) {
        await trial.denied({
          what: `${what}, ${when}`,
          expected: unavailable,
          by: "payment",
          attack: () => reading(trial, metadata),
          control: () => becomes("OK", () => reading(trial)),
          record: { cause: "the nonce store has not seen this timestamp from the start" },
        });
      }
    };
    await again("and again after it");
    await again("and again when payment serves again");
  },
);

scenario("H4", "nobody uses up the nonce of a request that is under way", async (trial) => {
  const victim = signed(trial);
  await trial.denied({
    what: "a victim's nonce with a bad signature, before the victim",
    expected: invalid,
    by: "payment",
    attack: () => reading(trial, { ...victim, "x-signature": "0".repeat(64) }, "partner"),
    control: () => reading(trial, victim),
  });

  const nonce = "0123456789abcdef".repeat(2);
  const own = await payingCall(trial.stack, newPayment(), { nonce });
  trial.observe("a nonce under the key of another client", "served", (await trial.call(createPayment, own)).status);
  trial.observe("then its victim", "served", (await reading(trial, signed(trial, { nonce }))).status);
});

/**
 * A call that is made and answered within one second of the clock, which is that of the services too, so that what is exact for
 * them is exact here.
 */
async function withinOneSecond(make: (seconds: number) => Promise<Outcome>): Promise<Outcome> {
  for (let tries = 0; tries < 100; tries += 1) {
    const seconds = nowSeconds();
    const outcome = await make(seconds);
    if (nowSeconds() === seconds) return outcome;
  }
  throw new Error("No call was answered within the second in which it was made.");
}

/** A signed service that has run for an hour: one that has just started lets no timestamp of before in. */
async function serveForAnHour({ stack }: Trial) {
  await using opened = new AsyncDisposableStack();
  const file = (name: string) => join(stack.deployment.folder, "payment", name);
  const keys = signingKeyFile({ path: file("signing-keys.json"), keyEncryptionKeyPath: file("key-encryption-key") });
  opened.defer(() => keys.close());
  const nonces = memoryNonceStore({ now: () => Date.now() - 3_600_000 });
  const { port } = opened.use(await servePing(stack, verifying({ keys, nonces, audience: audiences.payment })));
  const running = opened.move();
  return {
    call(timestamp: number) {
      const metadata = signedBy(stack, "storefront", ping, {}, { timestamp });
      return callOn(stack, ping, { as: "storefront", port, metadata });
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

scenario("H5", "the window of timestamps ends 300 s ago and 5 s ahead, to the second", async (trial) => {
  const ahead = (seconds: number) => () =>
    withinOneSecond((now) => reading(trial, signed(trial, { timestamp: now + seconds })));
  const control = ahead(5);
  await trial.denied({ what: "6 s ahead", expected: expired, by: "payment", attack: ahead(6), control });
  await trial.denied({ what: "301 s old", expected: expired, by: "payment", attack: ahead(-301), control });
  await using serving = await serveForAnHour(trial);
  for (const [what, seconds, expected] of [
    ["5 s ahead", 5, "served"],
    ["6 s ahead", 6, expired],
    ["300 s old", -300, "served"],
    ["301 s old", -301, expired],
  ] as const) {
    const { status } = await withinOneSecond((now) => serving.call(now + seconds));
    trial.observe(`${what}, at a service that has run for an hour`, expected, status);
  }
});

scenario("H5", "a timestamp that is not ten digits is none", async (trial) => {
  const now = nowSeconds();
  const others = [
    "",
    "yesterday!",
    "1e10",
    "0x6b49d200",
    `-${now}`,
    `+${now}`,
    `${now}.0`,
    `0${now}`,
    `${now}000`,
    `${now - 1e9}`,
  ];
  for (const timestamp of others) {
    await trial.denied({
      what: `"${timestamp}"`,
      expected: invalid,
      by: "payment",
      attack: () => reading(trial, signed(trial, { timestamp })),
      control: () => reading(trial),
      record: { cause: "x-timestamp is malformed" },
    });
  }
});

scenario("H15", "a caller whose clock is off is told the time, and served within the window", async (trial) => {
  const off = (seconds: number) => reading(trial, signed(trial, { timestamp: nowSeconds() + seconds }));
  trial.observe("3 s ahead", "served", (await off(3)).status);
  await using serving = await serveForAnHour(trial);
  const late = await serving.call(nowSeconds() - 240);
  trial.observe("4 min behind, at a service that has run for an hour", "served", late.status);
  for (const [what, seconds] of [
    ["6 min behind", -360],
    ["1 min ahead", 60],
  ] as const) {
    await trial.denied({
      what,
      expected: expired,
      by: "payment",
      async attack() {
        const outcome = await off(seconds);
        const toldSeconds = serverTimeOf({ metadata: outcome.trailers }) ?? 0;
        expect(Math.abs(toldSeconds - nowSeconds()), "the server's time is told").toBeLessThan(10);
        return outcome;
      },
      control: () => off(0),
    });
  }
});

scenario("H15", "our own client corrects its clock once, and no second attempt is a replay", async (trial) => {
  const { id: keyId, secret } = trial.stack.deployment.signing.storefront;
  for (const [what, seconds] of [
    ["6 min behind", -360],
    ["1 min ahead", 60],
  ] as const) {
    const corrections: number[] = [];
    const now = () => Date.now() + seconds * 1000;
    const credentials = [hmac({ keyId, secret, now, onClockCorrected: (offset) => corrections.push(offset) })];
    using opened = new DisposableStack();
    const channels = opened.adopt(channelsTo(trial.stack, "storefront", "payment"), (them) => them.close());
    const client = createClient(PaymentService, connect({ channels, credentials }));
    const records = await trial.recordsSince("payment");
    for (let calls = 0; calls < 3; calls += 1) {
      const { payment } = await client.getPayment(message);
      trial.observe(`our client, ${what}: call ${calls + 1}`, "served", payment === undefined ? "nothing" : "served");
    }
    expect(corrections.map((offset) => Math.round(offset / 10) * 10)).toEqual([-seconds]);
    const decided = async () => (await records()).filter(({ log }) => log === "decision").map(({ reason }) => reason);
    const once = ["CREDENTIAL_EXPIRED", undefined, undefined, undefined];
    await vi.waitFor(async () => expect((await decided()).slice(-once.length)).toEqual(once), 10_000);
  }
});
