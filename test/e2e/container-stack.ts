import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Deployment, writeDeployment } from "@zero-trust/infra/deployment";
import { issuer as issuerUrl, trustDomain, type Workload } from "@zero-trust/infra/names";
import { type ContainerCaller, containerCaller } from "./container-caller.ts";
import { docker } from "./docker.ts";
import { HardenedContainer } from "./hardened-container.ts";
import { imageOf } from "./images.ts";
import { runLabel } from "./leftovers.ts";
import { seededVolume } from "./seeded-volume.ts";
import { type ServiceContainer, startServiceContainer } from "./service-container.ts";

/** Issuer, payment, order and a caller, each in a container, on a network that leads nowhere else. */
export interface ContainerStack extends AsyncDisposable {
  readonly deployment: Deployment;
  /** The network's name. */
  readonly network: string;
  readonly issuer: ServiceContainer;
  readonly payment: ServiceContainer;
  readonly order: ServiceContainer;
  readonly caller: ContainerCaller;
  readonly callerId: string;
}

/** Where containers have their files, and where they keep their data. */
export const folders = { files: "/etc/zero-trust", data: "/var/lib/zero-trust" } as const;

const port = "50051";
const addressOf = (workload: Workload) => `${workload}.${trustDomain}:${port}`;

/** Makes a deployment and starts its containers, each when what it needs is there. */
export async function startContainers(): Promise<ContainerStack> {
  const runId = process.env["ZT_E2E_RUN"] ?? "unnamed";
  const network = `zero-trust-e2e-${randomBytes(4).toString("hex")}`;
  await using cleanup = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "zero-trust-e2e-"));
  cleanup.defer(() => rmSync(folder, { recursive: true, force: true }));
  const deployment = await writeDeployment(folder);

  const label = `${runLabel}=${runId}`;
  // Internal: the engine forwards nothing out of it or into it.
  await docker("network", "create", "--internal", "--label", label, network);
  cleanup.defer(async () => void (await docker("network", "rm", network)));

  const volume = async (
    name: string,
    image: string,
    content: Pick<Parameters<typeof seededVolume>[0], "files" | "writable">,
  ) =>
    cleanup.adopt(await seededVolume({ name: `${network}-${name}`, runId, image, ...content }), async (made) => {
      await docker("volume", "rm", made);
    });

  async function start(
    service: "issuer" | "payment" | "order",
    workload: Workload,
    environment: Readonly<Record<string, string>>,
  ) {
    const image = imageOf(service);
    const files = await volume(`${service}-files`, image, {
      files: { [deployment.tlsFolder(workload)]: "tls", [join(folder, service)]: "." },
    });
    const data = await volume(`${service}-data`, image, { writable: [service] });
    const container = await startServiceContainer({
      image,
      runId,
      network,
      alias: `${workload}.${trustDomain}`,
      readOnly: { [folders.files]: files },
      writable: { [folders.data]: data },
      environment: {
        ZT_HOST: "0.0.0.0",
        ZT_PORT: port,
        ZT_TLS_DIR: join(folders.files, "tls"),
        ZT_TRUST_DOMAIN: trustDomain,
        ZT_ISSUER: issuerUrl,
        ZT_ISSUER_ADDRESS: addressOf("issuer"),
        ...environment,
      },
    });
    return cleanup.use(container);
  }
  const file = (name: string) => join(folders.files, name);

  const issuer = await start("issuer", "issuer", {
    ZT_CLIENTS_FILE: file("clients.json"),
    ZT_SIGNING_JWKS_FILE: file("signing-jwks.json"),
    ZT_DATABASE_FILE: join(folders.data, "issuer/issuer.sqlite"),
  });
  const payment = await start("payment", "payment-service", {
    ZT_GRANTS_FILE: file("grants.json"),
    ZT_API_KEYS_FILE: file("api-keys.json"),
    ZT_SIGNING_KEYS_FILE: file("signing-keys.json"),
    ZT_KEY_ENCRYPTION_KEY_FILE: file("key-encryption-key"),
    ZT_DATABASE_FILE: join(folders.data, "payment/payment.sqlite"),
    ZT_ACQUIRER_FILE: join(folders.data, "payment/acquirer.sqlite"),
  });
  const order = await start("order", "order-service", {
    ZT_GRANTS_FILE: file("grants.json"),
    ZT_API_KEYS_FILE: file("api-keys.json"),
    ZT_DATABASE_FILE: join(folders.data, "order/order.sqlite"),
    ZT_PAYMENT_ADDRESS: addressOf("payment-service"),
    ZT_SIGNING_KEY_ID: deployment.signing["order-service"].id,
    ZT_SIGNING_SECRET_FILE: file("signing-secret"),
  });

  const image = imageOf("caller");
  const pki = await volume("caller-files", image, { files: { [join(folder, "pki")]: "pki" } });
  const callerContainer = cleanup.adopt(
    await new HardenedContainer({
      image,
      runId,
      network,
      alias: `caller.${trustDomain}`,
      readOnly: { [folders.files]: pki },
    })
      .withEnvironment({ ZT_FILES: folders.files, ZT_PORT: port, ZT_TRUST_DOMAIN: trustDomain })
      // It waits; the program that makes the calls is started in it.
      .withEntrypoint(["sleep", "infinity"])
      .start(),
    async (container) => void (await container.stop()),
  );
  const caller = cleanup.use(containerCaller(callerContainer.getId()));

  const running = cleanup.move();
  return {
    deployment,
    network,
    issuer,
    payment,
    order,
    caller,
    callerId: callerContainer.getId(),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
