import { once } from "node:events";
import { mkdirSync, rmSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { setTimeout } from "node:timers/promises";
import { type Deployment, writeDeployment } from "@zero-trust/infra/deployment";
import { spiffeIdOf } from "@zero-trust/infra/names";
import { rawCall } from "@zero-trust/infra/raw-call";
import { issuerEnvironment, newStackFolder, orderEnvironment, paymentEnvironment } from "@zero-trust/infra/stack";
import { httpsAgent, identityFromDirectory, mutualTlsChannels, type TlsIdentity } from "@zero-trust/mtls";
import { processorMicroseconds } from "../processor-time.ts";
import { type Spread, spreadOf } from "../statistics.ts";
import { type BuiltService, startBuilt } from "./built-service.ts";
import { grpcUnderWay, httpsUnderWay } from "./call-under-way.ts";

/** How long a service takes to start and to end, in milliseconds. */
export interface ProcessTimes {
  /** From the start of the process. */
  readonly listening: Spread;
  /** Until it says that it serves: it has keys to verify with, and knows which nonces may have been used. */
  readonly healthy: Spread;
  /** Of its processor, until it is healthy. */
  readonly processor: Spread;
  /** From SIGTERM until the process has gone, with nothing to do. */
  readonly idleExit: Spread;
  /** The same with a call under way, from the end of its answer. */
  readonly busyExit: Spread;
}

export type ProcessFigures = Readonly<Record<"issuer" | "payment" | "order", ProcessTimes>>;

const services = ["issuer", "payment", "order"] as const;
type Service = (typeof services)[number];
const workloadOf = { issuer: "issuer", payment: "payment-service", order: "order-service" } as const;
const POLL_MS = 20;
/** How long after SIGTERM a call under way is given its end. */
const HELD_MS = 300;

type Times = { [Time in keyof ProcessTimes]: number };

/** Starts and ends the services as their images do, one after the other. */
export async function measureProcessTimes(rounds: number): Promise<ProcessFigures> {
  const folder = newStackFolder("growth");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  try {
    const deployment = await writeDeployment(folder);
    const measured: Record<Service, Times>[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const idle = await startAndEnd(deployment, "idle");
      const busy = await startAndEnd(deployment, "busy");
      measured.push(
        Object.fromEntries(
          services.map((name) => [name, { ...idle[name], idleExit: idle[name].exit, busyExit: busy[name].exit }]),
        ) as unknown as Record<Service, Times>,
      );
    }
    const spread = (name: Service, time: keyof Times) => spreadOf(measured.map((round) => round[name][time]));
    return Object.fromEntries(
      services.map((name) => [
        name,
        {
          listening: spread(name, "listening"),
          healthy: spread(name, "healthy"),
          processor: spread(name, "processor"),
          idleExit: spread(name, "idleExit"),
          busyExit: spread(name, "busyExit"),
        } satisfies ProcessTimes,
      ]),
    ) as unknown as ProcessFigures;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface OneRun extends Pick<Times, "listening" | "healthy" | "processor"> {
  readonly exit: number;
}

/** All of them, each when what it needs is there; and back. */
async function startAndEnd(deployment: Deployment, how: "idle" | "busy"): Promise<Record<Service, OneRun>> {
  await using opened = new AsyncDisposableStack();
  const addresses = { issuer: "", payment: "" };
  const environmentOf = {
    issuer: () => issuerEnvironment(deployment),
    payment: () => paymentEnvironment(deployment, addresses.issuer),
    order: () => orderEnvironment(deployment, addresses),
  };
  const running = [];
  for (const name of services) {
    const service = opened.use(startBuilt(name, environmentOf[name]()));
    const port = await service.listening;
    const listening = performance.now() - service.startedMs;
    const identity = opened.adopt(identityFromDirectory(deployment.tlsFolder(workloadOf[name])), (it) => it.close());
    await untilHealthy(name, identity, port);
    const healthy = performance.now() - service.startedMs;
    const processor = processorMicroseconds(service.pid) / 1_000;
    if (name !== "order") addresses[name] = `127.0.0.1:${port}`;
    running.push({ name, service, port, identity, listening, healthy, processor });
  }
  const runs = [];
  for (const { name, service, port, identity, ...times } of running.toReversed()) {
    const exit = how === "idle" ? await endIdle(service) : await endBusy(name, service, { identity, port });
    runs.push([name, { ...times, exit }]);
  }
  return Object.fromEntries(runs) as Record<Service, OneRun>;
}

async function endIdle(service: BuiltService): Promise<number> {
  const askedMs = performance.now();
  process.kill(service.pid, "SIGTERM");
  await endedWell(service);
  return performance.now() - askedMs;
}

async function endBusy(
  name: Service,
  service: BuiltService,
  at: { readonly identity: TlsIdentity; readonly port: number },
): Promise<number> {
  const call = await (name === "issuer" ? httpsUnderWay : grpcUnderWay)({ ...at, server: workloadOf[name] });
  process.kill(service.pid, "SIGTERM");
  await service.closing;
  await setTimeout(HELD_MS);
  await call.finish();
  const answeredMs = performance.now();
  await endedWell(service);
  return performance.now() - answeredMs;
}

async function endedWell(service: BuiltService): Promise<void> {
  const code = await service.ended;
  if (code !== 0) throw new Error(`A service ended with ${code}.`);
}

/** A HealthCheckResponse with the status SERVING. */
const serving = Buffer.from([0x08, 0x01]);

async function untilHealthy(name: Service, identity: TlsIdentity, port: number): Promise<void> {
  const serverId = spiffeIdOf(workloadOf[name]);
  if (name === "issuer") {
    const agent = httpsAgent({ identity, serverId });
    const asking = request({ host: "127.0.0.1", port, path: "/healthz", agent }).end();
    const [response] = (await once(asking, "response")) as [IncomingMessage];
    response.resume();
    if (response.statusCode !== 204) throw new Error(`The issuer listens and is not well: ${response.statusCode}`);
    agent.destroy();
    return;
  }
  using opened = new DisposableStack();
  const channels = mutualTlsChannels({ identity, target: `127.0.0.1:${port}`, serverId });
  opened.defer(() => channels.close());
  const ask = () => rawCall({ channels, path: "/grpc.health.v1.Health/Check", message: new Uint8Array() });
  while (!(await ask()).equals(serving)) await setTimeout(POLL_MS);
}
