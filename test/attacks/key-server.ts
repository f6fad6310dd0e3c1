import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Workload } from "@zero-trust/infra/names";
import { OrderService } from "@zero-trust/proto/order/v1";
import { expect } from "vitest";
import type { RelayAnswer } from "../stack/relay/protocol.ts";
import { claimsOf, forgerOf } from "./credentials.ts";
import type { Trial } from "./trial.ts";

const { listOrders } = OrderService.method;
export const keysPath = "/.well-known/jwks.json";

/** The issuer's key set, as it publishes it. */
export function publishedKeys({ stack }: Trial): { readonly keys: readonly { readonly kid?: string }[] } {
  const file = readFileSync(join(stack.deployment.folder, "issuer/signing-jwks.json"), "utf8");
  const { keys } = JSON.parse(file) as { readonly keys: readonly Readonly<Record<string, unknown>>[] };
  return { keys: keys.map(({ d: _, ...publicKey }) => publicKey) };
}

/** A call with a token that is right, but for the name of the key that has signed it, if another is given. */
export async function readingWith(
  { stack }: Trial,
  kid?: string,
): Promise<{ readonly as: Workload; readonly metadata: Readonly<Record<string, string>> }> {
  const forger = await forgerOf(stack);
  const token = await forger.sign(
    claimsOf(stack, "storefront", "order", ["read:orders"]),
    kid === undefined ? {} : { kid },
  );
  return { as: "storefront", metadata: { authorization: `Bearer ${token}` } };
}

/** What becomes of a call with a fresh token of the issuer. */
export async function fresh(trial: Trial): Promise<string> {
  return (await trial.call(listOrders, await readingWith(trial))).status;
}

/** Answers in the key server's place, as whichever workload. */
export async function answerKeys({ stack }: Trial, answer: RelayAnswer, as = "issuer"): Promise<void> {
  await stack.relays.issuer.become({ kind: "answer", as, answers: { [keysPath]: answer } });
}

/** How often the key set was asked for, since the relay is there. */
export async function timesAsked({ stack }: Trial): Promise<number> {
  return (await stack.relays.issuer.state()).requests.filter((request) => request === `GET ${keysPath}`).length;
}

/** Makes the order service read the key set anew, by a token whose key it does not know, until its log says what it made of it. */
export async function untilRead(trial: Trial, cause: RegExp): Promise<void> {
  const records = await trial.recordsSince("order");
  await expect
    .poll(
      async () => {
        await trial.call(listOrders, await readingWith(trial, crypto.randomUUID()));
        return (await records())
          .map(({ err }) => (err as { readonly message?: string } | undefined)?.message ?? "")
          .join("\n");
      },
      { timeout: 30_000, interval: 250 },
    )
    .toMatch(cause);
}
