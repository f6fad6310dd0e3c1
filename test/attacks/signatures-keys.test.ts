import { audiences } from "@zero-trust/infra/names";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { expect } from "vitest";
import type { Stack } from "../stack/stack.ts";
import { becomes } from "./becomes.ts";
import { type Call, callOn } from "./call.ts";
import { newPayment, payingCall, signedBy } from "./credentials.ts";
import { ztKeys } from "./keys-command.ts";
import { scenariosOn } from "./scenario.ts";
import type { Signing } from "./signature.ts";
import type { Denial, Trial } from "./trial.ts";

const { createPayment, getPayment } = PaymentService.method;
const invalid = "UNAUTHENTICATED CREDENTIAL_INVALID";
type Key = Pick<Signing, "keyId" | "secret">;

/** Signing keys that payment knows, besides those of order-service and storefront. */
let keys: Awaited<ReturnType<typeof issueKeys>>;
/** Names a payment of partner's. */
let reading: { readonly paymentId: string };

async function issueKeys(stack: Stack) {
  const issue = (client: string, service: "order" | "payment", scope: string) =>
    newKey(stack, `issue signing --client ${client} --audience ${audiences[service]} --scope ${scope}`);
  return {
    forOrder: await issue("order-service", "order", "write:payments"),
    reporting: await issue("reporting", "payment", "write:payments"),
    partner: await issue("partner", "payment", "read:transactions"),
  };
}

/** `zt keys …` on payment's signing keys. */
const zt = (stack: Stack, line: string) =>
  ztKeys(stack, `${line} --file payment/signing-keys.json --key-encryption-key payment/key-encryption-key`);

async function newKey(stack: Stack, line: string): Promise<Key> {
  const { id, secret } = JSON.parse(await zt(stack, `${line} --json`)) as {
    readonly id: string;
    readonly secret: string;
  };
  return { keyId: id, secret };
}

/** Reads partner's payment, with a signature and no other credential. */
function readingWith(stack: Stack, key: Key) {
  const metadata = signedBy(stack, "storefront", getPayment, reading, key);
  return callOn(stack, getPayment, { as: "partner", message: reading, metadata });
}

const scenario = scenariosOn(async (stack) => {
  keys = await issueKeys(stack);
  await stack.publish();
  const { messages } = await callOn(
    stack,
    createPayment,
    await payingCall(stack, { ...newPayment(), client: "partner" }),
  );
  reading = { paymentId: messages[0]?.payment?.paymentId ?? "" };
  await becomes("OK", () => readingWith(stack, keys.partner));
});

/** A payment that has to be refused as it is shown; as it was meant to be, it is made. */
async function refused(
  trial: Trial,
  what: string,
  change: (right: Call<typeof createPayment>) => Call<typeof createPayment>,
  more: Partial<Denial> = {},
) {
  const right = await payingCall(trial.stack);
  await trial.denied({
    what,
    expected: invalid,
    by: "payment",
    attack: () => trial.call(createPayment, change(right)),
    control: () => trial.call(createPayment, right),
    ...more,
  });
}

const parts = ["x-api-key", "x-timestamp", "x-nonce", "x-signature"];

scenario("H9", "what has to be signed is refused without its signature, and with a part of it", async (trial) => {
  const without = (keysLeft: (key: string) => boolean) => (right: Call<typeof createPayment>) => ({
    ...right,
    metadata: Object.fromEntries(Object.entries(right.metadata ?? {}).filter(([key]) => keysLeft(key))),
  });
  const unsigned = without((key) => !parts.includes(key));
  await refused(trial, "a payment without a signature", unsigned, { expected: "UNAUTHENTICATED CREDENTIAL_MISSING" });
  for (const part of parts)
    await refused(
      trial,
      `a signature without ${part}`,
      without((key) => key !== part),
    );
  await refused(
    trial,
    "the id of a key, and no signature",
    without((key) => !parts.slice(1).includes(key)),
  );
  await refused(trial, "a signature without its message", (right) => ({ ...right, bytes: [] }));
});

scenario("H9", "a signing key is rotated without a failed call, and refused when it is revoked", async (trial) => {
  const { stack } = trial;
  const next = await newKey(stack, `rotate signing ${keys.partner.keyId}`);
  await stack.publish();
  await becomes("OK", () => readingWith(stack, next));
  trial.observe("the key before, in the overlap", "OK", (await readingWith(stack, keys.partner)).status);
  await zt(stack, `revoke signing ${keys.partner.keyId}`);
  await stack.publish();
  await becomes(invalid, () => readingWith(stack, keys.partner));
  await trial.denied({
    what: "the key before, revoked",
    expected: invalid,
    by: "payment",
    attack: () => readingWith(stack, keys.partner),
    control: () => readingWith(stack, next),
    record: { credentialIds: [keys.partner.keyId], cause: "the signing key is revoked" },
  });
});

scenario(
  "H10",
  "a signature goes with its client's token, for this service, under the id of a signing key",
  async (trial) => {
    const { stack } = trial;
    const signedWith = (key: Key) => (right: Call<typeof createPayment>) => {
      const signature = signedBy(stack, "order-service", createPayment, right.message ?? {}, key);
      return { ...right, metadata: { ...right.metadata, ...signature } };
    };
    const mismatch = { expected: "UNAUTHENTICATED CLIENT_MISMATCH" } as const;
    await refused(trial, "reporting's signature with order-service's token", signedWith(keys.reporting), mismatch);
    await refused(trial, "a key of order-service for order, shown to payment", signedWith(keys.forOrder));

    const records = await trial.recordsSince("payment");
    const apiKey = stack.deployment.apiKey;
    await refused(trial, "an API key as the id of the key", signedWith({ keyId: apiKey, secret: apiKey }), {
      record: { cause: "x-api-key is malformed" },
    });
    expect(JSON.stringify(await records())).not.toContain(apiKey.slice(-51, -8));
  },
);
