import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Deployment, writeDeployment } from "./deployment.ts";
import { issuer, trustDomain } from "./names.ts";
import { type ServiceProcess, startService } from "./service-process.ts";

/** Issuer, payment and order, running as processes on loopback. */
export interface Stack extends AsyncDisposable {
  readonly deployment: Deployment;
  readonly issuer: ServiceProcess;
  readonly payment: ServiceProcess;
  readonly order: ServiceProcess;
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

/** What payment is configured with. */
export function paymentEnvironment(deployment: Deployment, issuerAddress: string): Readonly<Record<string, string>> {
  const file = (name: string) => join(deployment.folder, "payment", name);
  return {
    ...commonEnvironment(deployment, "payment-service"),
    ZT_ISSUER_ADDRESS: issuerAddress,
    ZT_GRANTS_FILE: file("grants.json"),
    ZT_API_KEYS_FILE: file("api-keys.json"),
    ZT_SIGNING_KEYS_FILE: file("signing-keys.json"),
    ZT_KEY_ENCRYPTION_KEY_FILE: file("key-encryption-key"),
    ZT_DATABASE_FILE: file("payment.sqlite"),
    ZT_ACQUIRER_FILE: file("acquirer.sqlite"),
  };
}

/**
 * Makes a deployment and starts its services, each when what it needs is there.
 *
 * @param folder - emptied first, and removed when the stack is disposed of
 */
export async function startStack(folder: string): Promise<Stack> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => rmSync(folder, { recursive: true, force: true }));
  const deployment = await writeDeployment(folder);
  const start = async (service: string, environment: Readonly<Record<string, string>>) =>
    cleanup.adopt(await startService(service, environment), (process) => process.stop());

  const issuerProcess = await start("issuer", {
    ...commonEnvironment(deployment, "issuer"),
    ZT_CLIENTS_FILE: join(folder, "issuer/clients.json"),
    ZT_SIGNING_JWKS_FILE: join(folder, "issuer/signing-jwks.json"),
  });
  const issuerAddress = `127.0.0.1:${issuerProcess.port}`;
  const payment = await start("payment", paymentEnvironment(deployment, issuerAddress));
  const order = await start("order", {
    ...commonEnvironment(deployment, "order-service"),
    ZT_ISSUER_ADDRESS: issuerAddress,
    ZT_GRANTS_FILE: join(folder, "order/grants.json"),
    ZT_API_KEYS_FILE: join(folder, "order/api-keys.json"),
    ZT_DATABASE_FILE: join(folder, "order/order.sqlite"),
    ZT_PAYMENT_ADDRESS: `127.0.0.1:${payment.port}`,
    ZT_SIGNING_KEY_ID: deployment.signing["order-service"].id,
    ZT_SIGNING_SECRET_FILE: join(folder, "order/signing-secret"),
  });
  const running = cleanup.move();
  return { deployment, issuer: issuerProcess, payment, order, [Symbol.asyncDispose]: () => running.disposeAsync() };
}
