// A great many copies of what was served once, at all replicas at once: none is served again, and others are meanwhile.
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { expect, test } from "vitest";
import { onTheWire } from "../attacks/call.ts";
import { signedBy } from "../attacks/credentials.ts";
import { type RawCaller, rawCallerOn } from "../attacks/raw-caller.ts";
import { readingCall } from "../attacks/reading-call.ts";
import { startLoad } from "./load.ts";
import { canStartFleet, startFleet } from "./start.ts";

/** `ZT_REPLAYS=100000` for as many as one likes. */
const replays = Number(process.env["ZT_REPLAYS"] ?? 3_000);
/** At a time, over each connection: fewer than its streams. */
const AT_ONCE = 20;
/** A captured request is of no use after five minutes; a fresh one takes its place, as an attacker would have it, too. */
const FRESH_AFTER = 5_000;

const { getPayment } = PaymentService.method;

test.runIf(canStartFleet)(
  `of ${replays} replays over three replicas none is served`,
  { timeout: 120_000 + replays * 10 },
  async () => {
    await using fleet = await startFleet({ payments: 3, orders: 1 });
    const { message = {} } = await readingCall(fleet);
    await using opened = new AsyncDisposableStack();
    const callers: RawCaller[] = [];
    for (const payment of fleet.payments) {
      callers.push(opened.use(await rawCallerOn({ ...fleet, payment }, "payment", "storefront")));
    }
    const capture = async () => {
      const copy = { ...onTheWire(getPayment, message), metadata: signedBy(fleet, "storefront", getPayment, message) };
      expect((await callers[0]?.call(copy))?.status).toBe("OK");
      return copy;
    };

    const seen = new Map<string, number>();
    let captured = await capture();
    let sent = 0;
    const send = async (caller: RawCaller) => {
      while (sent < replays) {
        sent += 1;
        if (sent % FRESH_AFTER === 0) captured = await capture();
        const { status } = await caller.call(captured);
        seen.set(status, (seen.get(status) ?? 0) + 1);
      }
    };
    const beganMs = performance.now();
    const others = { orderCallers: 1, paymentCallers: 1, attemptTimeoutMs: 2_000, timeoutMs: 20_000 };
    await using load = startLoad(fleet, others);
    await Promise.all(callers.flatMap((caller) => Array.from({ length: AT_ONCE }, () => send(caller))));
    const figures = await load.stop();
    const seconds = Math.round((performance.now() - beganMs) / 1_000);
    console.log(`  ${replays} replays in ${seconds} s: ${JSON.stringify(Object.fromEntries(seen))}`);
    console.log(`  calls of others meanwhile: ${JSON.stringify(figures.tookMs)} ms`);
    expect(figures.errors).toEqual({});
    expect(seen.get("OK") ?? 0).toBe(0);
    expect(seen.get("UNAUTHENTICATED CREDENTIAL_REPLAYED") ?? 0).toBeGreaterThan(0.9 * replays);
  },
);
