// API keys in a table of PostgreSQL, as a service has them that runs: published, used and revoked by the commands of an operator.
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import { apiKey, connect } from "@zero-trust/auth/client";
import { channelsTo, type RunningServices } from "@zero-trust/infra/callers";
import { runCommands } from "@zero-trust/infra/command-line/run-commands";
import { prepareCompose } from "@zero-trust/infra/compose/prepare";
import type { Deployment } from "@zero-trust/infra/deployment";
import { keysCommands } from "@zero-trust/infra/keys/commands";
import { startService } from "@zero-trust/infra/service-process";
import { issuerEnvironment, newStackFolder, paymentEnvironment, untilReady } from "@zero-trust/infra/stack";
import { PaymentService } from "@zero-trust/proto/payment/v1";
import { createClient, RpcError } from "@zero-trust/rpc";
import { type PostgresServer, startPostgres } from "@zero-trust/testkit/servers";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { makeDatabases, postgresQuery } from "../fleet/postgres-query.ts";

/** What is revoked is refused within this. */
const effective = { timeout: 30_000, interval: 100 };
vi.setConfig({ testTimeout: 120_000 });

const opened = new AsyncDisposableStack();
let deployment: Deployment;
let postgres: PostgresServer;
let services: RunningServices;
beforeAll(async () => {
  const folder = newStackFolder("api-key-table");
  opened.defer(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }));
  ({ deployment } = await prepareCompose(folder));
  const pem = (name: string) => readFileSync(join(deployment.tlsFolder("postgres"), name), "utf8");
  postgres = opened.use(await startPostgres({ tls: { cert: pem("tls.crt"), key: pem("tls.key"), ca: pem("ca.crt") } }));
  await makeDatabases(deployment, postgresQuery(deployment, postgres));
  const issuer = opened.adopt(await startService("issuer", issuerEnvironment(deployment)), (it) => it.stop());
  const {
    ZT_DATABASE_FILE: _,
    ZT_ACQUIRER_FILE: __,
    ZT_API_KEYS_FILE: ___,
    ...environment
  } = paymentEnvironment(deployment, `127.0.0.1:${issuer.port}`);
  const started = await startService("payment", {
    ...environment,
    ZT_DATABASE_URL: databaseUrl("payment"),
    ZT_ACQUIRER_URL: databaseUrl("acquirer"),
    ZT_DATABASE_PASSWORD_FILE: file("database-password"),
    ZT_API_KEYS_TABLE: "api_keys",
  });
  const payment = opened.adopt(started, (it) => it.stop());
  await untilReady(deployment, "payment-service", payment);
  // Nobody asks for order.
  services = { deployment, issuer, payment, order: payment };
});
afterAll(() => opened.disposeAsync());

const file = (name: string) => join(deployment.folder, "payment", name);
const databaseUrl = (name: string) => `postgres://payment-service@127.0.0.1:${postgres.port}/${name}`;

/** Types a command of `zt keys`, and gives what it printed. */
async function keys(command: string): Promise<string> {
  const printed: string[] = [];
  const surroundings = { print: (text: string) => void printed.push(text), note: () => undefined, now: Date.now };
  await runCommands("keys", keysCommands, `${command} --file ${file("api-keys.json")}`.split(" "), surroundings);
  return printed.join("").trim();
}
const publish = async () =>
  await keys(
    `publish api --database ${databaseUrl("payment")} --password-file ${file("database-password")} --tls ${deployment.tlsFolder("payment-service")}`,
  );

/** Issues a key for reading the ledger, into the file alone. */
const issue = async () =>
  await keys("issue api --client reporting --audience https://payment.production.internal --scope read:transactions");

/** Reads the ledger as reporting, with a key: gives the code of the answer. */
function readingWith(key: string): () => Promise<status> {
  const channels = opened.adopt(channelsTo(services, "reporting", "payment"), (them) => them.close());
  const reporting = createClient(PaymentService, connect({ channels, credentials: [apiKey({ key })] }));
  return async () =>
    await reporting.listTransactions({}).then(
      () => status.OK,
      (error: unknown) => (error instanceof RpcError ? error.code : status.UNKNOWN),
    );
}

test("a key is let in when it is published, and refused within 30 s of its revocation being published", async () => {
  const key = await issue();
  const read = readingWith(key);
  expect(await read()).toBe(status.UNAUTHENTICATED);
  await publish();
  await expect.poll(read, effective).toBe(status.OK);

  await keys(`revoke api ${key.split("-")[2]}`);
  expect(await read()).toBe(status.OK);
  await publish();
  const publishedMs = performance.now();
  await expect.poll(read, effective).toBe(status.UNAUTHENTICATED);
  console.log(`A revoked key was refused ${Math.round(performance.now() - publishedMs)} ms after that was published.`);
});

test("a key that cannot be looked up is UNAVAILABLE, and let in when the table is back", async () => {
  const read = readingWith(await issue());
  await publish();
  await postgres.stop("SIGQUIT");
  expect(await read()).toBe(status.UNAVAILABLE);
  await postgres.start();
  await expect.poll(read, effective).toBe(status.OK);
});
