import { randomUUID } from "node:crypto";
import { apiKey, connect } from "@zero-trust/auth/client";
import { channelsTo, tokensOf, withToken } from "@zero-trust/infra/callers";
import { spiffeIdOf, type Workload } from "@zero-trust/infra/names";
import { renew } from "@zero-trust/infra/pki/issue";
import { beginRotation, finishRotation, reissue } from "@zero-trust/infra/pki/rotate-ca";
import type { ServiceProcess } from "@zero-trust/infra/service-process";
import { newStackFolder, type Stack, startStack } from "@zero-trust/infra/stack";
import { identityFromDirectory, mutualTlsChannels } from "@zero-trust/mtls";
import { OrderService, OrderState } from "@zero-trust/proto/order/v1";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { createClient } from "@zero-trust/rpc";
import { afterAll, beforeAll, expect, test, vi } from "vitest";

let stack: Stack;
const opened = new DisposableStack();
beforeAll(async () => {
  stack = await startStack(newStackFolder("certificates"));
});
afterAll(async () => {
  opened.dispose();
  await stack[Symbol.asyncDispose]();
});

const wait = { timeout: 15_000, interval: 20 };
const place = () => ({ pki: stack.deployment.pki });
const folderOf = (workload: Workload) => stack.deployment.tlsFolder(workload);
const channels = (from: Workload, service: "order" | "payment") =>
  opened.adopt(channelsTo(stack, from, service), (them) => them.close());
const records = (service: ServiceProcess, message: RegExp) =>
  service.log.filter(({ msg }) => typeof msg === "string" && message.test(msg));

const orders = () => {
  const tokens = tokensOf(stack, "storefront", "order", ["read:orders", "write:orders"]);
  return createClient(OrderService, withToken(channels("storefront", "order"), tokens), { timeoutMs: 20_000 });
};
const payments = () => {
  const credentials = [apiKey({ key: stack.deployment.apiKey })];
  return createClient(PaymentService, connect({ channels: channels("reporting", "payment"), credentials }));
};

/** Orders, and waits until it is paid: storefront → order → payment, with tokens of the issuer on both ways. */
async function orderIsPaid(client: ReturnType<typeof orders>): Promise<boolean> {
  const unitPrice = { currencyCode: "EUR", minorUnits: 500n };
  const lines = [{ sku: "MUG", quantity: 1, unitPrice }];
  const { order } = await client.createOrder({ requestId: randomUUID(), lines });
  let state: OrderState | undefined;
  for await (const change of client.watchOrder({ orderId: order?.orderId ?? "" })) state = change.order?.state;
  return state === OrderState.PAID;
}

/** Does something while orders are placed; gives how many were paid, and what went wrong with the others. */
async function underLoad(work: () => Promise<void>): Promise<{ readonly paid: number; readonly failed: unknown[] }> {
  const client = orders();
  const failed: unknown[] = [];
  let paid = 0;
  let stopped = false;
  const loops = [1, 2].map(async () => {
    while (!stopped) {
      try {
        if (await orderIsPaid(client)) paid += 1;
        else failed.push("not paid");
      } catch (error) {
        failed.push(error);
      }
    }
  });
  await vi.waitUntil(() => paid > 0 || failed.length > 0, wait);
  await work();
  const before = paid;
  await vi.waitUntil(() => paid >= before + 3 || failed.length > 0, wait);
  stopped = true;
  await Promise.all(loops);
  return { paid, failed };
}

/** Does something to the files, and waits until the services have loaded them. */
async function loaded(work: () => Promise<unknown>): Promise<void> {
  const services = [stack.issuer, stack.payment, stack.order];
  const before = services.map((service) => records(service, /^certificates reloaded/).length);
  await work();
  await vi.waitUntil(
    () => services.every((service, n) => records(service, /^certificates reloaded/).length > (before[n] ?? 0)),
    wait,
  );
}

test("every certificate is renewed while orders are placed and paid, and none fails", async () => {
  const { paid, failed } = await underLoad(async () => {
    for (let round = 0; round < 2; round += 1) {
      await loaded(async () => {
        for (const workload of ["issuer", "order-service", "payment-service", "storefront"] as const) {
          expect(await renew(place(), folderOf(workload), { force: true, nowMs: Date.now() })).toMatchObject({
            outcome: "renewed",
          });
        }
      });
    }
  });
  expect(failed).toEqual([]);
  expect(paid).toBeGreaterThan(3);
});

test("the CA is replaced while orders are placed and paid, and none fails; a certificate of the old one is worth nothing", async () => {
  const old = identityFromDirectory(folderOf("reporting"));
  old.close();
  const { failed } = await underLoad(async () => {
    await loaded(() => beginRotation(place(), Date.now()));
    await loaded(() => reissue(place(), Date.now()));
    await loaded(() => finishRotation(place(), { nowMs: Date.now() }));
  });
  expect(failed).toEqual([]);
  const target = `127.0.0.1:${stack.payment.port}`;
  const stale = mutualTlsChannels({ identity: old, target, serverId: spiffeIdOf("payment-service") });
  opened.defer(() => stale.close());
  const credentials = [apiKey({ key: stack.deployment.apiKey })];
  const client = createClient(PaymentService, connect({ channels: stale, credentials }), { timeoutMs: 5_000 });
  await expect(client.listTransactions({})).rejects.toMatchObject({ code: 14 });
  expect((await payments().listTransactions({})).transactions.length).toBeGreaterThan(0);
});
