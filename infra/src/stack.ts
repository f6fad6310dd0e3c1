import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { identityFromDirectory, mutualTlsChannels } from "@zero-trust/mtls";
import { type Deployment, writeDeployment } from "./deployment.ts";
import { issuer, spiffeIdOf, trustDomain } from "./names.ts";
import { type ServiceProcess, startService } from "./service-process.ts";
import { untilServing } from "./until-serving.ts";

/** Issuer, payment and order, running as processes on loopback. */
export interface Stack extends AsyncDisposable {
  readonly deployment: Deployment;
  readonly issuer: ServiceProcess;
  readonly payment: ServiceProcess;
  readonly order: ServiceProcess;
}

/** How a stack is started. */
export interface StackOptions {
  /** Stops what has been started, and makes the start reject with its reason. */
  readonly signal?: AbortSignal;
  /** Puts something between a service and those that call it: gives the address that they are told in place of its own. */
  readonly between?: (service: "issuer" | "payment", address: string) => Promise<string>;
  /** More variables of a service. */
  readonly environmentOf?: (service: "issuer" | "payment" | "order") => Readonly<Record<string, string>>;
}

/** What a service is configured with besides its own files. */
function commonEnvironment(deployment: Deployment, workload: Parameters<Deployment["tlsFolder"]>[0]) {
  return {
    ZT_HOST: "127.0.0.1",
    ZT_PORT: "0",
    ZT_TLS_DIR: deployment.tlsFolder(workload),
    ZT_TRUST_DOMAIN: trustDomain,
    ZT_ISSUER: issuer,
    ZT_LOG_LEVEL: "info",
  };
}

/** A folder of this process for keys, certificates and databases, in the ignored `.stack`. */
export function newStackFolder(name: string): string {
  return fileURLToPath(new URL(`../../.stack/${name}-${process.pid}`, import.meta.url));
}

/** What the issuer is configured with. */
export function issuerEnvironment(deployment: Deployment): Readonly<Record<string, string>> {
  const file = (name: string) => join(deployment.folder, "issuer", name);
  return {
    ...commonEnvironment(deployment, "issuer"),
    ZT_CLIENTS_FILE: file("clients.json"),
    ZT_SIGNING_JWKS_FILE: file("signing-jwks.json"),
    ZT_DATABASE_FILE: file("issuer.sqlite"),
  };
}

/** What payment is configured with. */
export function paymentEnvironment(deployment: Deployment, issuerAddress: string): Readonly<Record<string, string>> {
  const file = (name: string) => join(deployment.folder, "payment", name);
  return {
    ...commonEnvironment(deployment, "payment-service"),
    ZT_ISSUER_ADDRESS: issuerAddress,
    ZT_GRANTS_FILE: file("grants.json"),
    ZT_API_KEYS_FILE: file("api-keys.json"),
    ZT_API_KEY_USES_FILE: file("api-key-uses.json"),
    ZT_DECISIONS_FILE: file("decisions.jsonl"),
    ZT_SIGNING_KEYS_FILE: file("signing-keys.json"),
    ZT_KEY_ENCRYPTION_KEY_FILE: file("key-encryption-key"),
    ZT_DATABASE_FILE: file("payment.sqlite"),
    ZT_ACQUIRER_FILE: file("acquirer.sqlite"),
  };
}

/** What order is configured with. */
export function orderEnvironment(
  deployment: Deployment,
  addresses: { readonly issuer: string; readonly payment: string },
): Readonly<Record<string, string>> {
  const file = (name: string) => join(deployment.folder, "order", name);
  return {
    ...commonEnvironment(deployment, "order-service"),
    ZT_ISSUER_ADDRESS: addresses.issuer,
    ZT_GRANTS_FILE: file("grants.json"),
    ZT_API_KEYS_FILE: file("api-keys.json"),
    ZT_API_KEY_USES_FILE: file("api-key-uses.json"),
    ZT_DECISIONS_FILE: file("decisions.jsonl"),
    ZT_DATABASE_FILE: file("order.sqlite"),
    ZT_PAYMENT_ADDRESS: addresses.payment,
    ZT_SIGNING_SECRET_FILE: file("signing-key.json"),
  };
}

/**
 * Makes a deployment and starts its services, each when what it needs is there; they serve when this resolves.
 *
 * @param folder - emptied first, and removed when the stack is disposed of or this process exits
 */
export async function startStack(folder: string, options: StackOptions = {}): Promise<Stack> {
  const { signal, between = async (_service, address) => address, environmentOf = () => ({}) } = options;
  // A service that has just been killed may still be writing.
  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  remove();
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  process.once("exit", remove);
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => {
    process.off("exit", remove);
    remove();
  });
  const deployment = await writeDeployment(folder);
  const start = async (service: "issuer" | "payment" | "order", environment: Readonly<Record<string, string>>) => {
    signal?.throwIfAborted();
    const whole = { ...environment, ...environmentOf(service) };
    return cleanup.adopt(await startService(service, whole), (process) => process.stop());
  };

  const issuerProcess = await start("issuer", issuerEnvironment(deployment));
  const issuerAddress = await between("issuer", `127.0.0.1:${issuerProcess.port}`);
  const payment = await start("payment", paymentEnvironment(deployment, issuerAddress));
  const paymentAddress = await between("payment", `127.0.0.1:${payment.port}`);
  const order = await start("order", orderEnvironment(deployment, { issuer: issuerAddress, payment: paymentAddress }));
  await Promise.all([
    untilReady(deployment, "payment-service", payment, signal),
    untilReady(deployment, "order-service", order, signal),
  ]);
  const running = cleanup.move();
  return { deployment, issuer: issuerProcess, payment, order, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

/**
 * Waits until a service serves, asking as the service itself, which every deployment grants: nobody else need be let in for it.
 *
 * @throws Error when it does not, or the reason of the signal
 */
export async function untilReady(
  deployment: Deployment,
  workload: "order-service" | "payment-service",
  { port }: { readonly port: number },
  signal?: AbortSignal,
): Promise<void> {
  using opened = new DisposableStack();
  const channels = mutualTlsChannels({
    identity: identityFromDirectory(deployment.tlsFolder(workload)),
    target: `127.0.0.1:${port}`,
    serverId: spiffeIdOf(workload),
  });
  opened.adopt(channels, (them) => them.close());
  await untilServing(channels, signal);
}
