import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { spiffeIdOf, type Workload } from "@zero-trust/infra/names";
import { renew } from "@zero-trust/infra/pki/issue";
import type { LogRecord } from "@zero-trust/infra/service-process";
import { OrderService } from "@zero-trust/proto/order/v1";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import type { IssuedCertificate, TestCa } from "@zero-trust/testkit";
import { expect, vi } from "vitest";
import { becomes } from "./becomes.ts";
import { type Call, connectionOn, type Outcome } from "./call.ts";
import { certificatesChanged } from "./certificates-changed.ts";
import { bearerOf } from "./credentials.ts";
import { deploymentCa } from "./deployment-ca.ts";
import { readingCall } from "./reading-call.ts";
import { scenariosOn } from "./scenario.ts";
import { certificateOf } from "./showing.ts";
import { openTlsSession } from "./tls-session.ts";
import type { Trial } from "./trial.ts";

const { getPayment } = PaymentService.method;
const { listOrders } = OrderService.method;

let reading: Call<typeof getPayment>;
let ca: TestCa;
const scenario = scenariosOn(async (stack) => {
  reading = await readingCall(stack);
  ca = await deploymentCa(stack);
});

/** Gives services new certificates, as `zt pki renew` does, and waits until they have them. */
async function renewed(trial: Trial, ...services: readonly ("order" | "payment")[]): Promise<void> {
  const { deployment } = trial.stack;
  const change = async () => {
    for (const service of services) {
      const folder = deployment.tlsFolder(`${service}-service`);
      const { outcome } = await renew({ pki: deployment.pki }, folder, { force: true, nowMs: Date.now() });
      expect(outcome).toBe("renewed");
    }
  };
  await certificatesChanged(trial, { change, by: services, are: "taken" });
}

/** A certificate of order-service with a few seconds to live, and what waits until it has ended. */
async function shortLived(): Promise<{
  readonly certificate: IssuedCertificate;
  readonly ended: () => Promise<unknown>;
}> {
  // Certificates have whole seconds, of which the last one belongs to them (RFC 5280 §4.1.2.5).
  const notAfter = new Date(Math.ceil(Date.now() / 1000) * 1000 + 3_000);
  return {
    certificate: await ca.issue({ spiffeId: spiffeIdOf("order-service"), notAfter }),
    ended: () => vi.waitUntil(() => Date.now() >= notAfter.getTime() + 1_000, { timeout: 10_000, interval: 20 }),
  };
}

scenario("M5", "no session outlives the certificate that it began with, before and after a rotation", async (trial) => {
  const { stack } = trial;
  await renewed(trial, "payment");
  const good = await ca.issue({ spiffeId: spiffeIdOf("order-service") });
  const { certificate, ended } = await shortLived();
  const first = {
    order: await openTlsSession(stack.order.port, certificate),
    payment: await openTlsSession(stack.payment.port, certificate),
  };
  await ended();
  for (const [service, where] of [
    ["order", "order"],
    ["payment", "payment, whose certificate was renewed before"],
  ] as const) {
    const { status, ticket } = first[service];
    trial.observe(`a certificate with seconds to live, to ${where}`, "OK", status);
    await trial.denied({
      what: `the same session, resumed when the certificate has expired, to ${where}`,
      expected: "T",
      by: service,
      attack: () => openTlsSession(stack[service].port, certificate, ticket),
      control: () => openTlsSession(stack[service].port, good),
      record: { cause: "CERT_HAS_EXPIRED" },
    });
  }
});

scenario("M13", "TLS 1.2 is not spoken, before and after a rotation", async (trial) => {
  const as = { ...certificateOf(trial.stack, "order-service"), maxVersion: "TLSv1.2" as const };
  const denied = (what: string) =>
    trial.denied({
      what,
      expected: "T",
      by: "payment",
      attack: () => trial.call(getPayment, { ...reading, as }),
      control: () => trial.call(getPayment, reading),
      record: { cause: "ERR_SSL_UNSUPPORTED_PROTOCOL" },
    });
  await denied("TLS 1.2");
  await renewed(trial, "payment");
  await denied("TLS 1.2, after the service's certificate was renewed");
});

scenario("M16", "a certificate that ends on a live connection makes no more calls there", async (trial) => {
  const { certificate, ended } = await shortLived();
  using connection = connectionOn(trial.stack, "payment", { as: certificate });
  const { status } = await connection.call(getPayment, reading);
  trial.observe("a call with a certificate that has seconds to live", "OK", status);
  await ended();
  await trial.denied({
    what: "the next call on the connection, when it has expired",
    expected: "UNAUTHENTICATED PEER_INVALID",
    by: "payment",
    attack: () => connection.call(getPayment, reading),
    control: () => trial.call(getPayment, reading),
  });
});

/** Makes calls again and again while something is done; gives the status of all of them. */
async function statusesDuring(
  work: () => Promise<unknown>,
  calls: readonly (() => Promise<Outcome>)[],
): Promise<string> {
  const statuses = new Set<string>();
  let isDone = false;
  const loops = calls.map(async (call) => {
    while (!isDone) statuses.add((await call()).status);
  });
  try {
    await work();
  } finally {
    isDone = true;
    await Promise.all(loops);
  }
  return [...statuses].join(", ");
}

scenario("M17", "files that are half written or do not fit are not taken, and no call fails", async (trial) => {
  const { stack } = trial;
  const file = (workload: Workload, name: string) => join(stack.deployment.tlsFolder(workload), name);
  const key = file("payment-service", "tls.key");
  const certificate = file("order-service", "tls.crt");
  const good = { key: readFileSync(key, "utf8"), certificate: readFileSync(certificate, "utf8") };
  const { cert: another } = await ca.issue({ spiffeId: spiffeIdOf("order-service") });
  const change = () => {
    writeFileSync(key, good.key.slice(0, good.key.length / 2));
    writeFileSync(certificate, another);
  };
  const as = certificateOf(stack, "order-service");
  const listing = {
    as: "storefront",
    metadata: await bearerOf(stack, "storefront", "order", ["read:orders"]),
  } as const;
  using toPayment = connectionOn(stack, "payment", { as });
  using toOrder = connectionOn(stack, "order", listing);
  const calls = [
    () => trial.call(getPayment, { ...reading, as }),
    () => trial.call(listOrders, listing),
    () => toPayment.call(getPayment, reading),
    () => toOrder.call(listOrders, listing),
  ];
  // With a signature that has been verified once, so that nothing but the files can make a call fail.
  await becomes("OK", () => toOrder.call(listOrders, listing));
  let kept: readonly LogRecord[] = [];
  const work = async () => {
    kept = await certificatesChanged(trial, { change, by: ["payment", "order"], are: "kept" });
  };
  const statuses = await statusesDuring(work, calls);
  const what = "half a private key for payment, a certificate of another key for order: calls to both";
  trial.observe(what, "served", statuses === "OK" ? "served" : statuses);
  expect(kept.map(({ reason }) => reason)).toEqual([
    expect.stringMatching(/tls\.key holds no unencrypted private key/),
    expect.stringMatching(/tls\.key does not belong to .*tls\.crt/),
  ]);
  writeFileSync(key, good.key);
  writeFileSync(certificate, good.certificate);
  const after = await statusesDuring(() => renewed(trial, "payment", "order"), calls);
  trial.observe("good files again, and then new ones: calls to both", "served", after === "OK" ? "served" : after);
});
