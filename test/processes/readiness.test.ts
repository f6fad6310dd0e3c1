import { once } from "node:events";
import { mkdirSync, renameSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { type Deployment, writeDeployment } from "@zero-trust/infra/deployment";
import { spiffeIdOf } from "@zero-trust/infra/names";
import { rawCall } from "@zero-trust/infra/raw-call";
import { type ServiceProcess, startService } from "@zero-trust/infra/service-process";
import { newStackFolder, paymentEnvironment } from "@zero-trust/infra/stack";
import { identityFromDirectory, type MutualTlsChannels, mutualTlsChannels } from "@zero-trust/mtls";
import { afterAll, beforeAll, expect, test } from "vitest";

const folder = newStackFolder("readiness");
const opened = new AsyncDisposableStack();
let deployment: Deployment;
let payment: ServiceProcess;
let issuerPort: number;
let channels: MutualTlsChannels;
beforeAll(async () => {
  mkdirSync(folder, { recursive: true });
  opened.defer(() => rmSync(folder, { recursive: true }));
  deployment = await writeDeployment(folder);
  issuerPort = await freePort();
  payment = await startService("payment", paymentEnvironment(deployment, `127.0.0.1:${issuerPort}`));
  opened.defer(() => payment.stop());
  const identity = opened.adopt(identityFromDirectory(deployment.tlsFolder("payment-service")), (it) => it.close());
  channels = opened.adopt(
    mutualTlsChannels({
      identity,
      target: `127.0.0.1:${payment.port}`,
      serverId: spiffeIdOf("payment-service"),
    }),
    (them) => them.close(),
  );
});
afterAll(() => opened.disposeAsync());

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** The status in a HealthCheckResponse: 1 is SERVING, 2 is NOT_SERVING. */
async function health(): Promise<number | undefined> {
  const answer = await rawCall({ channels, path: "/grpc.health.v1.Health/Check", message: new Uint8Array() });
  return answer[1];
}
const [serving, notServing] = [1, 2];
const patience = { timeout: 20_000 };
const changes = () =>
  payment.log
    .filter(({ dependency }) => dependency !== undefined)
    .map(({ dependency, msg }) => `${String(dependency)} ${String(msg)}`);

test("I2: payment is ready when its issuer's keys and list and its nonces are, and while its database is there", async () => {
  expect(await health()).toBe(notServing);
  expect(changes().toSorted()).toEqual(["issuerKeys not ready", "nonces not ready", "revocations not ready"]);
  // What was not there when it started.
  await expect.poll(changes, patience).toContain("nonces ready again");
  expect(await health()).toBe(notServing);
  const issuer = await startService("issuer", {
    ZT_PORT: String(issuerPort),
    ZT_TLS_DIR: deployment.tlsFolder("issuer"),
    ZT_CLIENTS_FILE: join(folder, "issuer/clients.json"),
    ZT_SIGNING_JWKS_FILE: join(folder, "issuer/signing-jwks.json"),
    ZT_DATABASE_FILE: join(folder, "issuer/issuer.sqlite"),
  });
  opened.defer(() => issuer.stop());
  await expect.poll(changes, patience).toContain("issuerKeys ready again");
  await expect.poll(changes, patience).toContain("revocations ready again");
  await expect.poll(health, patience).toBe(serving);

  const database = paymentEnvironment(deployment, "")["ZT_DATABASE_FILE"] ?? "";
  renameSync(database, `${database}.away`);
  await expect.poll(health, patience).toBe(notServing);
  renameSync(`${database}.away`, database);
  await expect.poll(health, patience).toBe(serving);
  expect(changes().slice(-2)).toEqual(["store not ready", "store ready again"]);
}, 60_000);
