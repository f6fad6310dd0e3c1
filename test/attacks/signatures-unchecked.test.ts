// Nonces that cannot be checked: whatever is wrong with Valkey, nothing is served meanwhile, nobody waits long, and it is over by itself.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type GetPaymentRequestSchema, PaymentService } from "@zero-trust/proto/payment/v1";
import { expect } from "vitest";
import type { Fleet, SharedValkey } from "../fleet/fleet.ts";
import { canStartFleet, startFleet } from "../fleet/start.ts";
import { becomes } from "./becomes.ts";
import { signedBy } from "./credentials.ts";
import { readingCall } from "./reading-call.ts";
import { scenariosOf } from "./scenario.ts";
import type { Trial } from "./trial.ts";

const { getPayment } = PaymentService.method;
const unavailable = "UNAVAILABLE CHECK_UNAVAILABLE";
/** A decision may take half a second, and what counts is that nobody waits for seconds, on a busy machine either. */
const maxLatencyMs = 1_500;

/** Reads a payment of storefront's: with storefront's certificate it takes a signature and nothing else. */
let message: MessageInitShape<typeof GetPaymentRequestSchema>;

const scenario = scenariosOf(() => startFleet({ payments: 1, orders: 1 }), {
  canStart: canStartFleet,
  prepare: async (fleet) => {
    message = (await readingCall(fleet)).message ?? {};
  },
});

const reading = (trial: Trial<Fleet>) => {
  const metadata = signedBy(trial.stack, "storefront", getPayment, message);
  return trial.call(getPayment, { as: "storefront", message, metadata });
};

interface Fault {
  readonly what: string;
  readonly strike: (valkey: SharedValkey) => Promise<void>;
  readonly heal: (valkey: SharedValkey) => Promise<void>;
  /** Whether it takes a second until it is noticed, which is before it does harm. */
  readonly isNoticedLater?: boolean;
}

const faults: readonly Fault[] = [
  { what: "slow", strike: (valkey) => valkey.pause(), heal: (valkey) => valkey.resume() },
  {
    what: "full",
    strike: (valkey) => valkey.operate("CONFIG", "SET", "maxmemory", "1"),
    heal: (valkey) => valkey.operate("CONFIG", "SET", "maxmemory", "0"),
  },
  {
    what: "evicting",
    strike: (valkey) => valkey.operate("CONFIG", "SET", "maxmemory-policy", "allkeys-lru"),
    heal: (valkey) => valkey.operate("CONFIG", "SET", "maxmemory-policy", "noeviction"),
    isNoticedLater: true,
  },
  {
    what: "read-only",
    strike: (valkey) => valkey.operate("REPLICAOF", "127.0.0.1", "1"),
    heal: (valkey) => valkey.operate("REPLICAOF", "NO", "ONE"),
  },
  { what: "down", strike: (valkey) => valkey.stop(), heal: (valkey) => valkey.start() },
];

for (const { what, strike, heal, isNoticedLater = false } of faults) {
  scenario(
    "H12",
    `while the nonce store is ${what}, no signed request is served, and nobody waits long`,
    async (trial) => {
      const { valkey } = trial.stack;
      const before = await becomes("OK", () => reading(trial));
      trial.observe("before", "OK", before.status);
      const records = await trial.recordsSince("payment");
      await trial.denied({
        what: `a signed request while it is ${what}`,
        expected: unavailable,
        by: "payment",
        attack: async () => {
          await strike(valkey);
          if (isNoticedLater) await becomes(unavailable, () => reading(trial));
          return await reading(trial);
        },
        control: async () => {
          await heal(valkey);
          return await becomes("OK", () => reading(trial));
        },
      });
      const refusals = (await records()).filter(({ log, outcome }) => log === "decision" && outcome === "refused");
      expect(refusals.filter(({ latencyMs }) => !(Number(latencyMs) < maxLatencyMs))).toEqual([]);
    },
  );
}
