import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { channelsTo } from "@zero-trust/infra/callers";
import { writeDeployment } from "@zero-trust/infra/deployment";
import { issuer as issuerUrl, trustDomain, type Workload } from "@zero-trust/infra/names";
import { untilServing } from "@zero-trust/infra/until-serving";
import { docker } from "./containers/docker.ts";
import { newMemoryVolume, newVolume } from "./containers/filled-volume.ts";
import { startGateway } from "./containers/gateway.ts";
import { imageOf } from "./containers/images.ts";
import { runLabel } from "./containers/leftovers.ts";
import { type PublishedFolder, publishFolders } from "./containers/published-folder.ts";
import { type ServiceContainer, startServiceContainer } from "./containers/service-container.ts";
import { type ServiceName, type Stack, type StackSettings, serviceNames } from "./stack.ts";

/** The services in containers of their own, on a network that leads nowhere else. */
export interface ContainerStack extends Stack {
  /** The network's name. */
  readonly network: string;
  /** The one container that stands on another network too. */
  readonly gatewayId: string;
  readonly issuer: ServiceContainer;
  readonly payment: ServiceContainer;
  readonly order: ServiceContainer;
}

/** Where the gateway sees the services' databases. */
const databases = {
  order: "/data/order/order/order.sqlite",
  payment: "/data/payment/payment/payment.sqlite",
  acquirer: "/data/payment/payment/acquirer.sqlite",
} as const;

/** Makes the folders of the services, where the gateway sees them. */
const makeFolders = `for (const service of ["order", "payment"]) fs.mkdirSync("/data/" + service + "/" + service, { mode: 0o700 })`;

/** Where containers have their files, and where they keep their data. */
export const folders = { files: "/etc/zero-trust", data: "/var/lib/zero-trust" } as const;

/** What differs from one container stack to another. */
export interface ContainerStackOptions extends StackSettings {
  /** The image of a service. Default: the one that is built here, or named by the environment. */
  readonly imageOf?: (service: ServiceName) => string;
  /** How much order and payment may write, each, which is in memory then. Default: what the engine's disk has. */
  readonly dataBytes?: number;
}

const port = "50051";
/** Where the gateway listens for this machine, and for the services. */
const published = { issuer: 7001, payment: 7002, order: 7003 } as const;
const between = { issuer: 7101, payment: 7102 } as const;
const workloadOf = { issuer: "issuer", payment: "payment-service", order: "order-service" } as const;
const hostOf = (workload: Workload) => `${workload}.${trustDomain}`;
const addressOf = (service: ServiceName) => `${hostOf(workloadOf[service])}:${port}`;
const relayHost = `relay.${trustDomain}`;
const relayFolder = fileURLToPath(new URL("relay", import.meta.url));

/** Makes a deployment and starts its containers, each when what it needs is there. */
export async function startContainers(options: ContainerStackOptions = {}): Promise<ContainerStack> {
  const { imageOf: image = imageOf, environmentOf = () => ({}), dataBytes } = options;
  const runId = process.env["ZT_E2E_RUN"] ?? "unnamed";
  const network = `zero-trust-e2e-${randomBytes(4).toString("hex")}`;
  await using cleanup = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "zero-trust-e2e-"));
  cleanup.defer(() => rmSync(folder, { recursive: true, force: true }));
  const deployment = await writeDeployment(folder);

  // Internal: the engine forwards nothing out of it or into it.
  await docker("network", "create", "--internal", "--label", `${runLabel}=${runId}`, network);
  cleanup.defer(async () => void (await docker("network", "rm", network)));

  const volumeOf = (name: string) => {
    const volume = { name: `${network}-${name}`, runId, image: image("issuer") };
    cleanup.defer(async () => void (await docker("volume", "rm", "--force", volume.name)));
    return volume;
  };
  const files = async (name: string, sources: Readonly<Record<string, string>>): Promise<PublishedFolder> =>
    await publishFolders(volumeOf(`${name}-files`), sources);
  const filesOf = async (service: ServiceName) =>
    await files(service, { [deployment.tlsFolder(workloadOf[service])]: "tls", [join(folder, service)]: "." });
  const copies = await Promise.all([
    files("relay", { [relayFolder]: "relay", [join(folder, "pki")]: "pki" }),
    ...serviceNames.map(filesOf),
  ]);
  for (const service of serviceNames) {
    const volume = volumeOf(`${service}-data`);
    if (service === "issuer" || dataBytes === undefined) await newVolume(volume, { writable: [service] });
    else await newMemoryVolume(volume, dataBytes);
  }

  const gateway = cleanup.use(
    await startGateway({
      image: image("issuer"),
      runId,
      network,
      aliases: [relayHost],
      mounts: {
        [folders.files]: { volume: `${network}-relay-files`, mode: "ro" },
        // A reader of a database in use takes part in its locks.
        "/data/order": { volume: `${network}-order-data`, mode: "rw" },
        "/data/payment": { volume: `${network}-payment-data`, mode: "rw" },
      },
      published: Object.values(published),
      program: [`${folders.files}/relay/main.ts`, `${folders.files}/pki`],
    }),
  );
  // What is in memory is there for as long as a container has it.
  if (dataBytes !== undefined) await docker("exec", gateway.id, "node", "--eval", makeFolders);
  const relay = async (name: string, listen: number, service: ServiceName) => {
    const [opened] = await gateway.program.open({ name, host: "0.0.0.0", port: listen, target: addressOf(service) });
    return opened;
  };
  await Promise.all(serviceNames.map((service) => relay(service, published[service], service)));
  const relays = {
    issuer: await relay("between-issuer", between.issuer, "issuer"),
    payment: await relay("between-payment", between.payment, "payment"),
  };

  async function start(service: ServiceName, environment: Readonly<Record<string, string>>) {
    const container = await startServiceContainer({
      image: image(service),
      runId,
      network,
      alias: hostOf(workloadOf[service]),
      readOnly: { [folders.files]: `${network}-${service}-files` },
      writable: { [folders.data]: `${network}-${service}-data` },
      data: `${folders.data}/${service}`,
      address: addressOf(service),
      publishedPort: gateway.portOf(published[service]),
      environment: {
        ZT_HOST: "0.0.0.0",
        ZT_PORT: port,
        ZT_TLS_DIR: join(folders.files, "tls"),
        ZT_TRUST_DOMAIN: trustDomain,
        ZT_ISSUER: issuerUrl,
        ZT_ISSUER_ADDRESS: `${relayHost}:${between.issuer}`,
        ...environment,
        ...environmentOf(service),
      },
    });
    return cleanup.use(container);
  }
  const file = (name: string) => join(folders.files, name);
  const data = (service: ServiceName, name: string) => join(folders.data, service, name);

  const issuer = await start("issuer", {
    ZT_CLIENTS_FILE: file("clients.json"),
    ZT_SIGNING_JWKS_FILE: file("signing-jwks.json"),
    ZT_DATABASE_FILE: data("issuer", "issuer.sqlite"),
  });
  const payment = await start("payment", {
    ZT_GRANTS_FILE: file("grants.json"),
    ZT_API_KEYS_FILE: file("api-keys.json"),
    ZT_API_KEY_USES_FILE: data("payment", "api-key-uses.json"),
    ZT_DECISIONS_FILE: data("payment", "decisions.jsonl"),
    ZT_SIGNING_KEYS_FILE: file("signing-keys.json"),
    ZT_KEY_ENCRYPTION_KEY_FILE: file("key-encryption-key"),
    ZT_DATABASE_FILE: data("payment", "payment.sqlite"),
    ZT_ACQUIRER_FILE: data("payment", "acquirer.sqlite"),
  });
  const order = await start("order", {
    ZT_GRANTS_FILE: file("grants.json"),
    ZT_API_KEYS_FILE: file("api-keys.json"),
    ZT_API_KEY_USES_FILE: data("order", "api-key-uses.json"),
    ZT_DECISIONS_FILE: data("order", "decisions.jsonl"),
    ZT_DATABASE_FILE: data("order", "order.sqlite"),
    ZT_PAYMENT_ADDRESS: `${relayHost}:${between.payment}`,
    ZT_SIGNING_SECRET_FILE: file("signing-key.json"),
  });

  const services = { deployment, issuer, payment, order };
  for (const service of ["payment", "order"] as const) {
    using opened = new DisposableStack();
    const channels = channelsTo(services, workloadOf[service], service);
    opened.defer(() => channels.close());
    await untilServing(channels);
  }
  const running = cleanup.move();
  return {
    driver: "containers",
    ...services,
    network,
    gatewayId: gateway.id,
    relays,
    async publish() {
      await Promise.all(copies.map((each) => each.publish()));
    },
    effects: () => gateway.program.effects(databases),
    alter: (database, statement) => gateway.program.alter(databases[database], statement),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
