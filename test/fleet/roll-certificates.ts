import { setTimeout } from "node:timers/promises";
import { callersOf } from "@zero-trust/infra/callers";
import type { Workload } from "@zero-trust/infra/names";
import { renew } from "@zero-trust/infra/pki/issue";
import { reissueLists } from "@zero-trust/infra/pki/reissue-lists";
import { beginRotation, finishRotation, reissue } from "@zero-trust/infra/pki/rotate-ca";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { expect, vi } from "vitest";
import { becomes } from "../attacks/becomes.ts";
import { callOn } from "../attacks/call.ts";
import { certificateOf } from "../attacks/showing.ts";
import type { StackService } from "../stack/stack.ts";
import { processesOf, type Rolled } from "./rolled.ts";

/** Some looks at the files, one a second, on a machine that does something else. */
const loading = { timeout: 20_000, interval: 20 };

/** Whose certificates are renewed under load: of all that call or are called. */
const renewed: readonly Workload[] = [
  "issuer",
  "payment-service",
  "order-service",
  "storefront",
  "partner",
  "reporting",
];

/** Gives every workload a new key and certificate, again and again, whether or not anybody has loaded the one before. */
export async function rollLeaves(stack: Rolled, times: number, everyMs: number): Promise<undefined> {
  for (let round = 0; round < times; round += 1) {
    const next = setTimeout(everyMs);
    await renewLeaves(stack);
    await next;
  }
}

async function renewLeaves({ deployment }: Rolled): Promise<void> {
  for (const workload of renewed) {
    const folder = deployment.tlsFolder(workload);
    const renewal = await renew({ pki: deployment.pki }, folder, { force: true, nowMs: Date.now() });
    if (renewal.outcome !== "renewed") throw new Error(`${workload} was given no certificate.`);
  }
}

/** So many calls are made with the former certificates before the issuer is back. */
const CALLS_WITHOUT = 20;

/**
 * Gives every workload a new key and certificate while the issuer is down, from whom nobody gets a token for his: who shows a token shows
 * the former certificate until the issuer is back.
 */
export async function rollLeavesWithoutIssuer(stack: Rolled): Promise<undefined> {
  const { issuer, payments, orders, order } = stack;
  const decisions = async () => (await order.log()).filter(({ log }) => log === "decision");
  /** Whether each of those who show order a token has shown it his new certificate. */
  const haveShown = async () => {
    const shown = new Set((await decisions()).map(({ certificate }) => certificate));
    return (["storefront", "partner"] as const).map((each) => shown.has(callersOf(stack).get(each)?.thumbprint));
  };
  await issuer.stop();
  try {
    await loaded(stack, () => renewLeaves(stack), [...payments, ...orders]);
    const { length } = await decisions();
    await vi.waitUntil(async () => (await decisions()).length >= length + CALLS_WITHOUT, loading);
    expect(await haveShown()).toEqual([false, false]);
  } finally {
    await issuer.restart();
  }
  await vi.waitUntil(async () => !(await haveShown()).includes(false), loading);
}

/**
 * Replaces root and intermediate: both are trusted, everybody gets a leaf of the new one, the old one is not trusted any more. Each step is
 * made when every process has loaded what the one before has written, as `rotate-ca` asks for.
 *
 * @returns sees that a certificate of the old one connects to nobody
 */
export async function rollAuthority(stack: Rolled): Promise<() => Promise<void>> {
  const place = { pki: stack.deployment.pki };
  const old = certificateOf(stack, "reporting");
  await loaded(stack, () => beginRotation(place, Date.now()));
  await loaded(stack, () => reissue(place, Date.now()));
  await loaded(stack, () => finishRotation(place, { nowMs: Date.now() }));
  return async () => {
    const { listTransactions } = PaymentService.method;
    const metadata = { "x-api-key": stack.keys.apiKey };
    for (const { port } of stack.payments) {
      const { status } = await callOn(stack, listTransactions, { as: old, port, metadata });
      expect(status, "a certificate of the old CA").toBe("UNAVAILABLE");
      await becomes("OK", () => callOn(stack, listTransactions, { as: "reporting", port, metadata }));
    }
  };
}

/** Signs the revocation lists anew. */
export async function rollLists(stack: Rolled): Promise<undefined> {
  await loaded(stack, () => reissueLists({ pki: stack.deployment.pki }, { nowMs: Date.now() }));
}

/** Does something to the files, and waits until every service that runs and every caller has loaded them. */
export async function loaded(
  stack: Rolled,
  work: () => Promise<unknown>,
  processes: readonly StackService[] = processesOf(stack),
): Promise<void> {
  const reloads = async () => {
    const logs = await Promise.all(processes.map((process) => process.log()));
    const ofServices = logs.map((log) => log.filter(({ msg }) => msg === "certificates reloaded").length);
    return [...ofServices, ...[...callersOf(stack).values()].map((identity) => identity.status().reloads)];
  };
  const before = await reloads();
  await work();
  await vi.waitUntil(async () => (await reloads()).every((count, at) => count > (before[at] ?? 0)), loading);
}
