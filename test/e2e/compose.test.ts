// infra/compose as it is, started with `docker compose up` and asked by a client of this machine.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { channelsTo, type RunningServices, tokensOf, withToken } from "@zero-trust/infra/callers";
import { OrderService, OrderState } from "@zero-trust/proto/order/v1";
import { createClient } from "@zero-trust/rpc";
import { beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { prometheusAt } from "../processes/prometheus-api.ts";
import { type ComposeProject, findCompose, newComposeProject } from "../stack/containers/compose-project.ts";
import { docker, dockerPrints } from "../stack/containers/docker.ts";
import { imageOf } from "../stack/containers/images.ts";
import { runLabel } from "../stack/containers/leftovers.ts";

if (findCompose() === undefined) console.warn("! infra/compose is not started here: there is no docker compose.");

const services = ["issuer", "payment-1", "payment-2", "order-1", "order-2"];
const all = [...services, "postgres", "valkey"];

describe.runIf(findCompose() !== undefined)("docker compose up", () => {
  let project: ComposeProject;
  beforeAll(async () => {
    project = await newComposeProject();
    // A service that its database does not answer in time ends, is started again by the engine, and does not count as
    // healthy at once: on a machine that is busy with something else it takes another `up`.
    for (let tries = 1; ; tries += 1) {
      try {
        await project.run("up", "--detach");
        break;
      } catch (error) {
        if (tries < 3) continue;
        const said = await project.run("logs", "--tail", "20");
        await project[Symbol.asyncDispose]();
        throw new Error(`It did not come up: ${said}`, { cause: error });
      }
    }
    return () => project[Symbol.asyncDispose]();
    // It takes one minute and a half where the machine has nothing else to do.
  }, 600_000);

  /** Tells what becomes of a connection, by a program that a container is to run. */
  const dial = (host: string, port: number) => [
    "--eval",
    `const socket = require("node:net").connect({ host: "${host}", port: ${port}, timeout: 2000 });
    const tell = (what) => { console.log(what); process.exit(); };
    socket.on("connect", () => tell("connected")).on("error", ({ code }) => tell(code)).on("timeout", () => tell("no answer"));`,
  ];
  const at = (workload: string) => `${workload}.production.internal`;

  const orders = async (service: "order-1" | "order-2") => {
    const running: RunningServices = {
      deployment: project.prepared.deployment,
      issuer: { port: await project.portOf("issuer") },
      payment: { port: 0 },
      order: { port: await project.portOf(service) },
    };
    const channels = channelsTo(running, "storefront", "order");
    onTestFinished(() => channels.close());
    const tokens = tokensOf(running, "storefront", "order", ["read:orders", "write:orders"]);
    return createClient(OrderService, withToken(channels, tokens));
  };

  /** Asks a database of PostgreSQL behind the backs of the services. */
  const asSuperuser = async (database: string, sql: string) => {
    const password = readFileSync(join(project.prepared.deployment.folder, "postgres/superuser-password"), "utf8");
    const psql = ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--username", "postgres"];
    const postgres = await project.containerOf("postgres");
    return await docker(
      "exec",
      "--env",
      `PGPASSWORD=${password}`,
      postgres,
      ...psql,
      "--dbname",
      database,
      "--command",
      sql,
    );
  };

  test("everything is healthy, each by its own probe", async () => {
    for (const service of all) {
      const health = async () =>
        await docker("inspect", "--format", "{{.State.Health.Status}}", await project.containerOf(service));
      await expect.poll(health, { timeout: 90_000, interval: 1000 }).toBe("healthy");
    }
  });

  test("the storefront places an order at one replica, and sees it paid at the other", async () => {
    const lines = [{ sku: "MUG", quantity: 2, unitPrice: { currencyCode: "EUR", minorUnits: 1250n } }];
    const request = { requestId: crypto.randomUUID(), lines };
    const one = await orders("order-1");
    // Asked again where it could not be checked, as a client does: it is the same order.
    const placed = await vi.waitFor(() => one.createOrder(request), { timeout: 30_000, interval: 1000 });
    const orderId = placed.order?.orderId ?? "";
    const other = await orders("order-2");
    const state = () =>
      other.getOrder({ orderId }).then(
        ({ order }) => order?.state,
        () => undefined,
      );
    await expect.poll(state, { timeout: 30_000, interval: 250 }).toBe(OrderState.PAID);
  });

  test("a Prometheus beside it finds every replica by name, sees the order in what they say, and no alert fires", async () => {
    await project.run("--profile", "observability", "up", "--detach", "prometheus");
    const prometheus = prometheusAt(await project.portOf("prometheus"));
    // It looks every 15 seconds.
    const patience = { timeout: 90_000, interval: 1000 };
    const asked = async (expr: string) => {
      const found = await prometheus.query(expr).catch(() => []);
      return Object.fromEntries(found.map(({ metric, value }) => [metric["service"] ?? "all", value]));
    };
    const replicas = { issuer: 1, order: 2, payment: 2 };
    await expect.poll(() => asked("count by (service) (up == 1)"), patience).toEqual(replicas);
    await expect.poll(() => asked("sum by (service) (zt_ready)"), patience).toEqual(replicas);
    const captured = 'sum by (service) (zt_decisions_total{outcome="allowed",rpc_method=~".*/CapturePayment"})';
    expect((await asked(captured))["payment"]).toBeGreaterThanOrEqual(1);
    const alerts = await vi.waitFor(async () => {
      const all = await prometheus.alerts();
      expect(all.filter(({ health }) => health !== "ok")).toEqual([]);
      return all;
    }, patience);
    expect(alerts.length).toBeGreaterThan(15);
    expect(alerts.filter(({ state }) => state === "firing")).toEqual([]);
  });

  test("a replica of payment that is cut off is not missed: every order is taken, and charged once", async () => {
    const placing = await Promise.all([orders("order-1"), orders("order-2")]);
    /** Places orders at both replicas, none of which may fail, and waits until all of them are paid. */
    const pay = async (count: number) => {
      const placed = await Promise.all(
        Array.from({ length: count }, async (_, index) => {
          const lines = [{ sku: "MUG", quantity: 1, unitPrice: { currencyCode: "EUR", minorUnits: 1250n } }];
          const client = placing[index % 2] ?? placing[0];
          const { order } = await client.createOrder({ requestId: crypto.randomUUID(), lines });
          return { client, orderId: order?.orderId ?? "" };
        }),
      );
      for (const { client, orderId } of placed) {
        const state = async () => (await client.getOrder({ orderId })).order?.state;
        await expect.poll(state, { timeout: 60_000, interval: 250 }).toBe(OrderState.PAID);
      }
    };
    const payment = await project.containerOf("payment-1");
    const captures = async () => (await dockerPrints("logs", payment)).split("PaymentService/CapturePayment").length;
    const inspected = await docker("inspect", "--format", "{{json .NetworkSettings.Networks}}", payment);
    const networks = Object.entries(JSON.parse(inspected) as Record<string, { readonly Aliases: readonly string[] }>);

    await pay(10);
    for (const [network] of networks) await docker("network", "disconnect", network, payment);
    const whenCutOff = await captures();
    let stillCutOff: number;
    try {
      await pay(30);
      // Before it is back: TCP then delivers what was sent to it in the meantime, and nobody waits for any more.
      stillCutOff = await captures();
    } finally {
      for (const [network, { Aliases: names }] of networks) {
        const aliases = names.flatMap((name) => ["--alias", name]);
        await docker("network", "connect", ...aliases, network, payment);
      }
    }
    expect(whenCutOff).toBeGreaterThan(1);
    expect(stillCutOff).toBe(whenCutOff);

    const count = async (database: string, sql: string) =>
      Number(await asSuperuser(database, `SELECT count(*) ${sql}`));
    const paid = await count("order", "FROM orders WHERE state = 'PAID'");
    expect(paid).toBeGreaterThan(30);
    expect(await count("order", "FROM orders WHERE state <> 'PAID'")).toBe(0);
    expect(await count("acquirer", "FROM charges")).toBe(paid);
    expect(await count("payment", "FROM payments WHERE state = 'CAPTURED'")).toBe(paid);
  });

  test("no container is root, writes its root, has a capability, or more memory and processes than it was given", async () => {
    for (const service of all) {
      const [inspected] = JSON.parse(await docker("inspect", await project.containerOf(service))) as [
        { readonly Config: { readonly User: string }; readonly HostConfig: Readonly<Record<string, unknown>> },
      ];
      expect(inspected.Config.User).toBe(project.prepared.environment.ZT_USER);
      expect(inspected.HostConfig).toMatchObject({
        ReadonlyRootfs: true,
        Privileged: false,
        CapAdd: null,
        CapDrop: ["ALL"],
        SecurityOpt: ["no-new-privileges"],
        Memory: expect.toSatisfy((bytes: number) => bytes > 0) as number,
        PidsLimit: expect.toSatisfy((count: number) => count > 0) as number,
      });
      const published = await docker("port", await project.containerOf(service));
      const addresses = published === "" ? [] : published.split("\n").map((line) => line.split(" -> ")[1]);
      expect(addresses.every((address) => address?.startsWith("127.0.0.1:"))).toBe(true);
      expect(addresses).toHaveLength(["issuer", "order-1", "order-2"].includes(service) ? 1 : 0);
    }
  });

  test("no secret of the deployment is in what the engine knows of a container", async () => {
    const { folder } = project.prepared.deployment;
    const secrets = readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && (statSync(join(entry.parentPath, entry.name)).mode & 0o077) === 0)
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8").trim());
    expect(secrets.length).toBeGreaterThan(15);
    const known = await docker("inspect", ...(await Promise.all(all.map((service) => project.containerOf(service)))));
    const said = await project.run("logs", "--no-color");
    expect(secrets.filter((secret) => known.includes(secret) || said.includes(secret))).toEqual([]);
  });

  test("whoever calls from outside reaches the issuer and order, by name and by nothing else", async () => {
    const network = `${project.name}_callers`;
    const run = [
      "run",
      "--rm",
      "--network",
      network,
      "--label",
      `${runLabel}=${project.runId}`,
      "--entrypoint",
      "node",
    ];
    const reach = async (workload: string, port: number) =>
      await docker(...run, imageOf("order"), ...dial(at(workload), port));
    // The engine asks the machine's own name servers for what it does not know, if there are any.
    const nobody = ["ENOTFOUND", "EAI_AGAIN", "no answer"];
    expect(await reach("order-service", 50_051)).toBe("connected");
    expect(await reach("issuer", 50_051)).toBe("connected");
    expect(await reach("payment-service", 50_051)).toBeOneOf(nobody);
    expect(await reach("postgres", 5432)).toBeOneOf(nobody);
    expect(await reach("valkey", 6379)).toBeOneOf(nobody);
  });

  test("a service reaches what it needs, and nothing outside", async () => {
    const reach = async (service: string, host: string, port: number) =>
      await docker("exec", await project.containerOf(service), "node", ...dial(host, port));
    expect(await reach("order-1", at("payment-service"), 50_051)).toBe("connected");
    expect(await reach("payment-1", at("postgres"), 5432)).toBe("connected");
    for (const service of ["payment-1", "order-1", "issuer"])
      expect(await reach(service, "203.0.113.7", 80)).toBeOneOf(["ENETUNREACH", "EHOSTUNREACH", "no answer"]);
  });

  test("a password is not enough for PostgreSQL: it takes the certificate of the role's own workload", async () => {
    const password = readFileSync(join(project.prepared.deployment.folder, "order/database-password"), "utf8");
    const postgres = await project.containerOf("postgres");
    const connect = async (database: string, more: string) => {
      const where = `host=127.0.0.1 user=order-service dbname=${database} sslmode=require ${more}`;
      return await docker("exec", "--env", `PGPASSWORD=${password}`, postgres, "psql", where, "--command", "SELECT 1");
    };
    const tls = "/etc/zero-trust/tls";
    // A certificate of the same CA, and of another workload: PostgreSQL's own.
    const another = `sslcert=${tls}/tls.crt sslkey=${tls}/tls.key`;
    await expect(connect("order", "sslcert=/none")).rejects.toThrow(/requires a valid client certificate/u);
    await expect(connect("order", another)).rejects.toThrow(/authentication failed/u);
    await expect(connect("payment", another)).rejects.toThrow(/no pg_hba.conf entry/u);
    const said = await dockerPrints("logs", postgres);
    expect(said).toMatch(
      /certificate validation \(clientcert=verify-full\) failed for user "order-service": CN mismatch/u,
    );
  });
});
