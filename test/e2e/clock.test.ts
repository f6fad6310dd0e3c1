// What takes an hour, or a clock that is wrong: containers whose clocks are moved while they run.
import { connect, hmac } from "@zero-trust/auth/client";
import { channelsTo } from "@zero-trust/infra/callers";
import { OrderService } from "@zero-trust/proto/order/v1";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { createClient } from "@zero-trust/rpc";
import { expect } from "vitest";
import { claimsOf, forgerOf, signedBy } from "../attacks/credentials.ts";
import { placedOrder } from "../attacks/placed-order.ts";
import { scenariosOn } from "../attacks/scenario.ts";
import { type MovableStack, startMovable } from "./moved-clocks.ts";

const { listOrders } = OrderService.method;
const { getPayment } = PaymentService.method;
const minute = 60;
const patience = { timeout: 30_000, interval: 200 };

let stack: MovableStack;
let paymentId: string;
const scenario = scenariosOn(
  async (started) => {
    ({ paymentId } = await placedOrder(started));
  },
  async () => {
    stack = await startMovable();
    return stack;
  },
);

/** A call with a token that is fresh by a clock that is so many seconds ahead. */
async function readingAt(seconds: number) {
  const forger = await forgerOf(stack);
  const iat = Math.floor(Date.now() / 1_000) + seconds;
  const claims = { ...claimsOf(stack, "storefront", "order", ["read:orders"]), iat, exp: iat + 300 };
  return { as: "storefront", metadata: { authorization: `Bearer ${await forger.sign(claims)}` } } as const;
}

scenario(
  "I1",
  "the keys that are known are served for an hour while the issuer is down, and not after it",
  async (trial) => {
    const statusAt = async (seconds: number) => (await trial.call(listOrders, await readingAt(seconds))).status;
    trial.observe("before", "OK", await statusAt(0));
    await stack.relays.issuer.become({ kind: "refuse" });
    await stack.moveClock("order", 58 * minute);
    trial.observe("the issuer down for 58 minutes", "served", await served(statusAt(58 * minute)));
    await stack.moveClock("order", 62 * minute);
    await trial.denied({
      what: "the issuer down for 62 minutes",
      expected: "UNAVAILABLE CHECK_UNAVAILABLE",
      by: "order",
      attack: async () => ({ status: await statusAt(62 * minute) }),
      control: async () => {
        await stack.relays.issuer.become({ kind: "pass" });
        await expect.poll(() => statusAt(62 * minute), patience).toBe("OK");
        return { status: "OK" };
      },
    });
    await stack.moveClock("order", 0);
  },
);

scenario(
  "H15",
  "a service whose clock jumps says its time, our client follows it, and nothing is served twice",
  async (trial) => {
    const message = { paymentId };
    const sign = (ahead = 0) => ({
      as: "storefront" as const,
      message,
      metadata: signedBy(stack, "storefront", getPayment, message, {
        timestamp: Math.floor(Date.now() / 1_000) + ahead,
      }),
    });
    const { id: keyId, secret } = stack.deployment.signing.storefront;
    const channels = channelsTo(stack, "storefront", "payment");
    const ours = createClient(PaymentService, connect({ channels, credentials: [hmac({ keyId, secret })] }));
    const captured = sign();
    trial.observe("before", "OK", (await trial.call(getPayment, captured)).status);
    for (const seconds of [600, -20]) {
      await stack.moveClock("payment", seconds);
      await trial.denied({
        what: `the service's clock ${Math.abs(seconds)} s ${seconds > 0 ? "ahead" : "behind"}, a signature by the true one`,
        expected: "UNAUTHENTICATED CREDENTIAL_EXPIRED",
        by: "payment",
        attack: () => trial.call(getPayment, sign()),
        // A nonce store knows nothing of the time before its start, to which such a clock may lead back: it says so for a while.
        control: async () => {
          await expect
            .poll(() => served(ours.getPayment({ paymentId })), { timeout: 60_000, interval: 500 })
            .toBe("served");
          return { status: "OK" };
        },
      });
      trial.observe(
        "our client, after the service has told its time",
        "served",
        await served(ours.getPayment({ paymentId })),
      );
    }
    await stack.moveClock("payment", 0);
    channels.close();
    const { status } = await trial.call(getPayment, captured);
    // Its nonce was forgotten when its time was over; that it comes back with the clock is known.
    expect(["UNAUTHENTICATED CREDENTIAL_REPLAYED", "UNAVAILABLE CHECK_UNAVAILABLE"]).toContain(status);
  },
);

/** `served`, or what came in its place. */
function served(answer: Promise<unknown>): Promise<string> {
  return answer.then(
    (value) => (typeof value === "string" && value !== "OK" ? value : "served"),
    (error: unknown) => String(error),
  );
}
