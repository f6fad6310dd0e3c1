// A well-behaved client as a process of its own: it calls Ping, one call after the other over one channel, until it is ended.
import { setTimeout as wait } from "node:timers/promises";
import { identityFromMemory, mutualTlsChannels } from "@zero-trust/mtls";
import { createClient } from "@zero-trust/rpc";
import { PingService } from "@zero-trust/testkit";
import { answerParent, optionsOfParent } from "./asked-by-parent.ts";
import type { GoodCallerOptions, Served } from "./good-caller.ts";

/** How long it waits for an answer, in milliseconds: two cores are shared with the attacker. */
const patienceMs = 20_000;
/** Between two calls. */
const pauseMs = 5;

const options = await optionsOfParent<GoodCallerOptions>();
const channels = mutualTlsChannels({
  identity: identityFromMemory(options.tls),
  target: `127.0.0.1:${options.port}`,
  serverId: "spiffe://production.internal/ping",
});
const client = createClient(PingService, channels, { timeoutMs: patienceMs });

let served = { calls: 0, failures: [] as string[], slowestMs: 0 };
answerParent(function sinceLastAsked(): Served {
  const figures = served;
  served = { calls: 0, failures: [], slowestMs: 0 };
  return figures;
});

for (let number = 0; ; number += 1) {
  const startedMs = performance.now();
  const text = `good ${number}`;
  const failure = await client.ping({ text }).then(
    (answer) => (answer.text === text ? undefined : `was answered “${answer.text}”`),
    (error: unknown) => String(error),
  );
  if (failure !== undefined) served.failures.push(failure);
  served.calls += 1;
  served.slowestMs = Math.max(served.slowestMs, performance.now() - startedMs);
  await wait(pauseMs);
}
