// What our own client sends again: each attempt is signed anew, so that none is taken for a replay, and one payment is made.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { bearer, connect, hmac } from "@zero-trust/auth/client";
import { tokensOf } from "@zero-trust/infra/callers";
import { spiffeIdOf, type Workload } from "@zero-trust/infra/names";
import { identityFromDirectory, mutualTlsChannels, type TlsMaterial } from "@zero-trust/mtls";
import { PaymentService, PaymentState } from "@zero-trust/proto/payment/v1";
import { createClient, serviceConfig } from "@zero-trust/rpc";
import { expect, vi } from "vitest";
import type { Stack } from "../stack/stack.ts";
import { newPayment } from "./credentials.ts";
import { answerUnavailable, type FateOf, goAway, refuseStream, startFront } from "./front.ts";
import { scenariosOn } from "./scenario.ts";
import type { Trial } from "./trial.ts";

const scenario = scenariosOn();

/** How a client sends again, as a service config (gRFC A6). */
const configs = {
  retries: serviceConfig([PaymentService]),
  hedges: hedging("0.2s"),
  "hedges after a failure": hedging("3600s"),
  nothing: JSON.stringify({ methodConfig: [] }),
} as const;

function hedging(hedgingDelay: string): string {
  const hedgingPolicy = { maxAttempts: 3, hedgingDelay, nonFatalStatusCodes: ["UNAVAILABLE"] };
  return JSON.stringify({ methodConfig: [{ name: [{}], hedgingPolicy }] });
}

function materialOf({ deployment }: Stack, workload: Workload): TlsMaterial {
  const file = (name: string) => readFileSync(join(deployment.tlsFolder(workload), name), "utf8");
  return { cert: file("tls.crt"), key: file("tls.key"), ca: file("ca.crt") };
}

/** Makes payments as order does, through a load balancer that is told what becomes of each attempt. */
async function payThrough(trial: Trial, what: string, how: keyof typeof configs, fateOf: FateOf, payments = 1) {
  const { stack } = trial;
  await using opened = new AsyncDisposableStack();
  const server = materialOf(stack, "payment-service");
  const client = materialOf(stack, "order-service");
  const front = opened.use(await startFront({ server, client, port: stack.payment.port, fateOf }));
  const identity = identityFromDirectory(stack.deployment.tlsFolder("order-service"));
  opened.defer(() => identity.close());
  const channels = mutualTlsChannels({
    identity,
    target: front.target,
    serverId: spiffeIdOf("payment-service"),
    channelOptions: { "grpc.service_config": configs[how] },
  });
  opened.defer(() => channels.close());
  const { id: keyId, secret } = stack.deployment.signing["order-service"];
  const tokens = tokensOf(stack, "order-service", "payment", ["write:payments"]);
  const credentials = [bearer({ tokens }), hmac({ keyId, secret })];
  const paying = createClient(PaymentService, connect({ channels, credentials }));

  const before = await trial.settled();
  const records = await trial.recordsSince("payment");
  for (let made = 0; made < payments; made += 1) {
    const { payment } = await paying.createPayment(newPayment());
    trial.observe(what, "served", payment?.state === PaymentState.AUTHORIZED ? "OK" : "no payment");
  }
  const { nonces, passedOn } = front;
  expect(new Set(nonces).size, `${what}: each attempt has a nonce of its own`).toBe(nonces.length);
  const decisions = async () => (await records()).filter(({ log }) => log === "decision");
  await vi.waitFor(async () => expect((await decisions()).length).toBeGreaterThanOrEqual(passedOn()), 10_000);
  expect((await decisions()).map(({ outcome, reason }) => reason ?? outcome)).not.toContain("CREDENTIAL_REPLAYED");
  const after = await trial.settled();
  expect(after, `${what}: one effect`).toEqual({ ...before, payments: before.payments + payments });
  return { attempts: nonces.length, passedOn: passedOn() };
}

scenario(
  "H13",
  "our own retry after UNAVAILABLE is served, also if the first attempt was carried out",
  async (trial) => {
    const failing = await payThrough(trial, "a retry after two failures", "retries", (stream, number) =>
      number < 3 ? answerUnavailable(stream) : "passed on",
    );
    expect(failing).toEqual({ attempts: 3, passedOn: 1 });
    const lost = await payThrough(trial, "a retry after an answer was lost", "retries", (_stream, number) =>
      number === 1 ? "answer lost" : "passed on",
    );
    expect(lost).toEqual({ attempts: 2, passedOn: 2 });
  },
);

scenario("H13", "a hedge is served, also if the attempt before it was carried out", async (trial) => {
  const late = await payThrough(trial, "a hedge while the first answer is awaited", "hedges", (_stream, number) =>
    number === 1 ? "answer kept" : "passed on",
  );
  expect(late.attempts).toBeGreaterThanOrEqual(2);
  const failed = await payThrough(trial, "a hedge after failures", "hedges after a failure", (stream, number) =>
    number < 3 ? answerUnavailable(stream) : "passed on",
  );
  expect(failed).toEqual({ attempts: 3, passedOn: 1 });
});

scenario("H13", "a transparent retry after a GOAWAY or a refused stream is served", async (trial) => {
  const goneAway = await payThrough(
    trial,
    "a payment that a GOAWAY passed over, and the one before it",
    "nothing",
    (stream, number) => (number === 2 ? goAway(stream) : "passed on"),
    2,
  );
  expect(goneAway).toEqual({ attempts: 3, passedOn: 2 });
  const refused = await payThrough(trial, "a payment whose stream was refused", "nothing", (stream, number) =>
    number === 1 ? refuseStream(stream) : "passed on",
  );
  expect(refused).toEqual({ attempts: 2, passedOn: 1 });
});
