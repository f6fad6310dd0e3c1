import { realpathSync, rmSync } from "node:fs";
import { join } from "node:path";
import { spiffeIdOf, type Workload } from "@zero-trust/infra/names";
import { renew } from "@zero-trust/infra/pki/issue";
import { activeAuthority, readIndex } from "@zero-trust/infra/pki/pki-index";
import { reissueLists } from "@zero-trust/infra/pki/reissue-lists";
import { revoke } from "@zero-trust/infra/pki/revoke";
import { stageTlsFiles } from "@zero-trust/infra/pki/tls-folder";
import { OrderService } from "@zero-trust/proto/order/v1";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { attacker, frameType } from "@zero-trust/testkit";
import { expect, vi } from "vitest";
import type { Stack } from "../stack/stack.ts";
import { becomes } from "./becomes.ts";
import type { Call } from "./call.ts";
import { certificatesChanged } from "./certificates-changed.ts";
import { bearerOf, newOrder } from "./credentials.ts";
import { deploymentCa } from "./deployment-ca.ts";
import { readingCall } from "./reading-call.ts";
import { scenariosOn } from "./scenario.ts";
import { certificateOf } from "./showing.ts";

const { getPayment } = PaymentService.method;
const { importOrders, listOrders } = OrderService.method;
/** How long the lists live that are to end: long enough to get to the service, also as copies in a volume; in milliseconds. */
const listLifeMs = { processes: 8_000, containers: 15_000 } as const;
/** What anybody may rely on: a revocation is effective after that, in milliseconds. */
const effectiveMs = 30_000;

let reading: Call<typeof getPayment>;
let listing: Call<typeof listOrders>;
const scenario = scenariosOn(async (stack) => {
  reading = await readingCall(stack);
  listing = { as: "storefront", metadata: await bearerOf(stack, "storefront", "order", ["read:orders"]) };
});

/** As `zt pki revoke` does, for all that a workload has. */
async function revokeAllOf({ deployment }: Stack, workload: Workload): Promise<void> {
  await revoke({ pki: deployment.pki }, deployment.tlsFolder(workload), {
    reason: "key-compromise",
    nowMs: Date.now(),
  });
}

scenario("M11", "a revoked certificate makes no call, on no connection", async (trial) => {
  const { stack } = trial;
  const { deployment } = stack;
  const tls = certificateOf(stack, "partner");
  const metadata = await bearerOf(stack, "partner", "order", ["read:orders", "write:orders"]);
  const records = await trial.recordsSince("order");
  const { requestId = "", lines = [] } = newOrder();
  const running = trial.open(importOrders, { as: tls, message: { requestId, lines }, metadata });
  const isRunning = async () => (await records()).some(({ method }) => String(method).endsWith("/ImportOrders"));
  await vi.waitUntil(isRunning, { timeout: 20_000, interval: 20 });
  await using attack = attacker({ host: "127.0.0.1", port: stack.order.port, tls });
  const wire = await attack.wire();
  await wire.until(() => wire.received(frameType.settings) > 0);

  let revokedAtMs = 0;
  await trial.denied({
    what: "a call that runs when its certificate is revoked",
    expected: "UNAUTHENTICATED PEER_INVALID",
    by: "order",
    async attack() {
      await revokeAllOf(stack, "partner");
      await stack.publish();
      revokedAtMs = performance.now();
      return await running.outcome;
    },
    control: () => trial.call(listOrders, listing),
    record: { outcome: "ended", peer: spiffeIdOf("partner") },
  });
  expect(performance.now() - revokedAtMs).toBeLessThan(effectiveMs);
  await trial.denied({
    what: "a new connection with it",
    expected: "T",
    by: "order",
    attack: () => trial.call(listOrders, { as: tls, metadata }),
    async control() {
      await renew({ pki: deployment.pki }, deployment.tlsFolder("partner"), { force: true, nowMs: Date.now() });
      await stack.publish();
      return await becomes("OK", async () => {
        const renewed = await bearerOf(stack, "partner", "order", ["read:orders"]);
        return await trial.call(listOrders, { as: "partner", metadata: renewed });
      });
    },
    record: { cause: "CERT_REVOKED" },
  });
  await wire.closed;
  const isInTime = performance.now() - revokedAtMs < effectiveMs;
  trial.observe("another connection that it had, without a call", "closed", isInTime ? "closed" : "closed late");
});

/** Revocation lists that say what those in use say, and end soon. */
async function listsUntil(stack: Stack, nextUpdate: Date): Promise<string> {
  const index = readIndex(stack.deployment.pki);
  const authority = activeAuthority(index);
  const ca = await deploymentCa(stack);
  const revoked = index.certificates.flatMap((each) => (each.revoked === undefined ? [] : [each.serial]));
  const lists = (["root", "intermediate"] as const).map((issuer) => {
    const { number, from } = authority[issuer].crl;
    // As old as the one in use, so that the next one of `zt pki` is no older than it.
    const thisUpdate = new Date(Date.parse(from) - 60_000);
    return ca.crl({ issuer, number, thisUpdate, nextUpdate, revoked: issuer === "root" ? [] : revoked });
  });
  return (await Promise.all(lists)).join("");
}

scenario("M12", "a list that is gone still revokes, and with a list that has ended nobody is let in", async (trial) => {
  const { stack } = trial;
  const { deployment } = stack;
  const records = await trial.recordsSince("payment");
  let endsAtMs = 0;
  const change = async () => {
    await revokeAllOf(stack, "reporting");
    endsAtMs = Math.ceil(Date.now() / 1000) * 1000 + listLifeMs[stack.driver];
    const lists = await listsUntil(stack, new Date(endsAtMs));
    stageTlsFiles(deployment.tlsFolder("payment-service"), { "ca.crl": lists }).publish();
  };
  await certificatesChanged(trial, { change, by: ["payment", "order"], are: "taken" });
  const remove = () => rmSync(realpathSync(join(deployment.tlsFolder("order-service"), "ca.crl")));
  const [kept] = await certificatesChanged(trial, { change: remove, by: ["order"], are: "kept" });
  expect(kept?.["reason"]).toMatch(/ca\.crl is gone, and what it revokes stays revoked/);
  await trial.denied({
    what: "a revoked certificate, when the list that revokes it is gone",
    expected: "T",
    by: "order",
    attack: () => trial.call(listOrders, { ...listing, as: "reporting" }),
    control: () => trial.call(listOrders, listing),
  });
  const alerts = async () =>
    (await records()).filter(({ msg, what }) => what === "crl" && msg === "a certificate or list ends soon");
  await vi.waitUntil(async () => (await alerts()).length > 0, { timeout: 20_000, interval: 50 });
  expect(new Date(String((await alerts())[0]?.["time"])).getTime(), "an alert comes first").toBeLessThan(endsAtMs);
  await vi.waitUntil(() => Date.now() >= endsAtMs, { timeout: 30_000, interval: 20 });
  await trial.denied({
    what: "a good certificate, when the service's lists have ended",
    expected: "T",
    by: "payment",
    attack: () => trial.call(getPayment, reading),
    async control() {
      const reissue = () => reissueLists({ pki: deployment.pki }, { nowMs: Date.now() });
      await certificatesChanged(trial, { change: reissue, by: ["payment", "order"], are: "taken" });
      return await trial.call(getPayment, reading);
    },
    record: { cause: "CRL_HAS_EXPIRED" },
  });
});
