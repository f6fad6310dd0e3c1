import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { prepareCompose } from "@zero-trust/infra/compose/prepare";
import type { Workload } from "@zero-trust/infra/names";
import { startService } from "@zero-trust/infra/service-process";
import {
  issuerEnvironment,
  newStackFolder,
  orderEnvironment,
  paymentEnvironment,
  untilReady,
} from "@zero-trust/infra/stack";
import { type ServerTls, startPostgres, startValkey } from "@zero-trust/testkit/servers";
import { tornLinesIn } from "../kills/books.ts";
import { processService } from "../stack/process-service.ts";
import type { ServiceName } from "../stack/stack.ts";
import { unlimited } from "../stack/unlimited.ts";
import { databasesOf } from "./databases.ts";
import { type Fleet, type FleetOptions, firstOf, type Replica, type SharedStore } from "./fleet.ts";
import { makeDatabases, postgresQuery } from "./postgres-query.ts";

let started = 0;

/** The settings of a server that many processes share, and that has to live through no loss of power. */
const postgresSettings = { max_connections: "200", fsync: "off" };

/** The fleet as processes of this machine, on loopback; its callers and order find the replicas by a list of addresses. */
export async function startProcessFleet(options: FleetOptions = {}): Promise<Fleet> {
  const { payments = 2, orders = 2, issuers = 1, environmentOf = () => ({}) } = options;
  started += 1;
  const folder = newStackFolder(`fleet-${started}`);
  // What has just been killed may still be writing.
  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  remove();
  process.once("exit", remove);
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(() => {
    process.off("exit", remove);
    remove();
  });
  const { deployment } = await prepareCompose(folder);

  const tlsOf = (workload: Workload): ServerTls => {
    const file = (name: string) => readFileSync(join(deployment.tlsFolder(workload), name), "utf8");
    return { cert: file("tls.crt"), key: file("tls.key"), ca: file("ca.crt") };
  };
  const postgres = cleanup.use(await startPostgres({ tls: tlsOf("postgres"), settings: postgresSettings }));
  const query = postgresQuery(deployment, postgres);
  const databases = databasesOf(query);
  await makeDatabases(deployment, query);
  const valkey = cleanup.use(await startValkey({ tls: tlsOf("valkey"), settings: valkeyUsers(folder) }));
  const databaseUrl = (role: string, name: string) => `postgres://${role}@127.0.0.1:${postgres.port}/${name}`;

  const replicas: Replica[] = [];
  async function start(service: ServiceName, at: number, environment: Readonly<Record<string, string>>) {
    const name = `${service}-${at + 1}`;
    const data = join(folder, name);
    mkdirSync(data, { mode: 0o700 });
    const its = await startService(service, {
      ...environment,
      ...unlimited,
      ...environmentOf(service),
    });
    cleanup.defer(() => its.stop());
    const replica: Replica = {
      name,
      ...processService(its, data),
    };
    replicas.push(replica);
    return replica;
  }
  /** What all services have in a fleet in place of files of their own. */
  const shared = (service: ServiceName, role: Workload, own: Readonly<Record<string, string>>) => {
    const { ZT_DATABASE_FILE: _, ZT_ACQUIRER_FILE: __, ...environment } = own;
    return {
      ...environment,
      ZT_DATABASE_URL: databaseUrl(role, service),
      ZT_DATABASE_PASSWORD_FILE: join(folder, service, "database-password"),
    };
  };
  /** What each replica writes for itself. */
  const written = (name: string) => ({
    ZT_API_KEY_USES_FILE: join(folder, name, "api-key-uses.json"),
    ZT_DECISIONS_FILE: join(folder, name, "decisions.jsonl"),
  });
  const onValkey = (service: ServiceName, user: Workload) => ({
    ZT_VALKEY_URL: `rediss://${user}@127.0.0.1:${valkey.port}`,
    ZT_VALKEY_PASSWORD_FILE: join(folder, service, "valkey-password"),
  });
  const several = <T>(count: number, startOne: (at: number) => Promise<T>) =>
    Promise.all(Array.from({ length: count }, (_, at) => startOne(at)));

  const allIssuers = await several(issuers, (at) =>
    start("issuer", at, {
      ...shared("issuer", "issuer", issuerEnvironment(deployment)),
      ...onValkey("issuer", "issuer"),
    }),
  );
  // Over HTTPS several are several addresses of a name, and loopback has no names.
  const issuerAddress = firstOf(allIssuers).address;
  const allPayments = await several(payments, (at) =>
    start("payment", at, {
      ...shared("payment", "payment-service", paymentEnvironment(deployment, issuerAddress)),
      ...written(`payment-${at + 1}`),
      ...onValkey("payment", "payment-service"),
      ZT_ACQUIRER_URL: databaseUrl("payment-service", "acquirer"),
    }),
  );
  const addresses = { issuer: issuerAddress, payment: addressesOf(allPayments) };
  const allOrders = await several(orders, (at) =>
    start("order", at, {
      ...shared("order", "order-service", orderEnvironment(deployment, addresses)),
      ...written(`order-${at + 1}`),
      ...onValkey("order", "order-service"),
    }),
  );
  await Promise.all([
    ...allPayments.map((each) => untilReady(deployment, "payment-service", each)),
    ...allOrders.map((each) => untilReady(deployment, "order-service", each)),
  ]);

  const running = cleanup.move();
  return {
    driver: "processes",
    deployment,
    payments: allPayments,
    orders: allOrders,
    issuers: allIssuers,
    payment: firstOf(allPayments),
    order: firstOf(allOrders),
    issuer: firstOf(allIssuers),
    postgres: storeOf(postgres, "SIGQUIT"),
    valkey: {
      ...storeOf(valkey, "SIGKILL"),
      operate: async (...command) => void (await valkey.operate(...command)),
    },
    // They read the deployment's own folder.
    publish: async () => undefined,
    effects: () => databases.effects(),
    alter: async (database, statement) => void (await query(database, statement)),
    books: () => databases.books(replicas.flatMap(({ name }) => tornLinesIn(join(folder, name, "decisions.jsonl")))),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

const addressesOf = (replicas: readonly Replica[]) => replicas.map(({ address }) => address).join(",");

/** The users of the deployment, with the rights that they have in containers, as settings. */
function valkeyUsers(folder: string): Readonly<Record<string, string>> {
  const lines = readFileSync(join(folder, "valkey/users.acl"), "utf8").matchAll(/^(user (?!default )\S+) (.+)$/gmu);
  return Object.fromEntries(Array.from(lines, ([, user = "", rights = ""]) => [user, rights]));
}

/** A server of the testkit as the fleet has it. */
function storeOf<Signal>(
  server: {
    stop(signal: Signal): Promise<void>;
    start(): Promise<void>;
    pause(): void;
    resume(): void;
  },
  crash: Signal,
): SharedStore {
  return {
    stop: () => server.stop(crash),
    start: () => server.start(),
    pause: async () => server.pause(),
    resume: async () => server.resume(),
  };
}
