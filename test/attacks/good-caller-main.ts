// A well-behaved client as a process of its own: it makes one small call after the other over one channel, until it is ended.
import { setTimeout as wait } from "node:timers/promises";
import { Metadata } from "@grpc/grpc-js";
import { identityFromMemory, mutualTlsChannels } from "@zero-trust/mtls";
import { OrderService } from "@zero-trust/proto/order/v1";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { createClient } from "@zero-trust/rpc";
import { answerParent, optionsOfParent } from "./asked-by-parent.ts";
import type { GoodCallerOptions, Served } from "./good-caller.ts";

/** How long it waits for an answer, in milliseconds: two cores are shared with the attacker. */
const patienceMs = 20_000;
/** Between two calls. */
const pauseMs = 5;

const { service, port, tls, metadata: credential } = await optionsOfParent<GoodCallerOptions>();
const channels = mutualTlsChannels({
  identity: identityFromMemory(tls),
  target: `127.0.0.1:${port}`,
  serverId: `spiffe://production.internal/${service}-service`,
});
const metadata = new Metadata();
for (const [key, value] of Object.entries(credential)) metadata.set(key, value);
const options = { metadata, timeoutMs: patienceMs };
const orders = createClient(OrderService, channels);
const payments = createClient(PaymentService, channels);
const call = () =>
  service === "order"
    ? orders.listOrders({ pageSize: 1 }, options)
    : payments.listTransactions({ pageSize: 1 }, options);

// It is there before the attacks are, with its connection.
await call();
let served = { calls: 0, failures: [] as string[], tookMs: [] as number[] };
answerParent(function sinceLastAsked(): Served {
  const figures = served;
  served = { calls: 0, failures: [], tookMs: [] };
  return figures;
});

for (;;) {
  const startedMs = performance.now();
  const failure = await call().then(
    () => undefined,
    (error: unknown) => String(error),
  );
  if (failure !== undefined) served.failures.push(failure);
  served.calls += 1;
  served.tookMs.push(performance.now() - startedMs);
  await wait(pauseMs);
}
