import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { type ComposeDeployment, environmentFile, prepareCompose } from "../src/compose/prepare.ts";
import { networkArrows, traceArrows } from "../src/network-arrows.ts";
import { configReaders, isService, type ServiceWorkload, variablesOf } from "./service-variables.ts";

const project = fileURLToPath(new URL("../compose", import.meta.url));
const file = join(project, "compose.yaml");

interface Service {
  readonly image: string;
  readonly environment?: Readonly<Record<string, string | null>>;
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly networks: Readonly<Record<string, { readonly aliases?: readonly string[] }>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly profiles?: readonly string[];
  readonly [field: string]: unknown;
}

interface Project {
  readonly services: Readonly<Record<string, Service>>;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean; readonly driver_opts?: unknown } | null>>;
}

let folder: string;
let prepared: ComposeDeployment;
let fleet: Project;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "zero-trust-compose-"));
  prepared = await prepareCompose(folder);
  const environment: Readonly<Record<string, string>> = { ...prepared.environment };
  // As docker compose does it: ${NAME:-default}, ${NAME:?complaint}.
  const text = readFileSync(file, "utf8").replaceAll(
    /\$\{(\w+):([-?])([^}]*)\}/gu,
    (_all, name: string, kind: string, rest: string) => environment[name] ?? (kind === "-" ? rest : `$\{${name}}`),
  );
  fleet = parse(text, { merge: true }) as Project;
  return () => rmSync(folder, { recursive: true });
});

/** `order-1` is one of the workload order-service. */
function workloadOf(name: string): string {
  const service = name.replace(/-\d+$/u, "");
  return ["order", "payment"].includes(service) ? `${service}-service` : service;
}

const entries = (): readonly (readonly [string, Service])[] => Object.entries(fleet.services);

test("no container runs as root, writes its root, has a capability or takes all of the machine", () => {
  expect(entries().length).toBeGreaterThanOrEqual(7);
  for (const [name, service] of entries()) {
    expect([name, service]).toEqual([
      name,
      expect.objectContaining({
        user: prepared.environment.ZT_USER,
        read_only: true,
        cap_drop: ["ALL"],
        security_opt: ["no-new-privileges"],
        mem_limit: expect.stringMatching(/^\d+m$/u) as string,
        pids_limit: expect.any(Number) as number,
        logging: { driver: "json-file", options: expect.objectContaining({ "max-size": "10m" }) as object },
      }),
    ]);
    expect(service).not.toHaveProperty("privileged");
    expect(service).not.toHaveProperty("cap_add");
  }
  expect(prepared.environment.ZT_USER).not.toMatch(/^0:|:0$/u);
});

test("two containers share a network where one of them calls the other, and nowhere else", () => {
  const connected = (arrows: typeof networkArrows) =>
    arrows.flatMap(({ from, to }) => (from === "callers" ? [] : [[from, to].toSorted().join(" and ")]));
  const wanted = new Set(connected([...networkArrows, ...traceArrows]));
  const sharing = new Set(
    entries().flatMap(([name, { networks }]) =>
      entries()
        .filter(
          ([other, { networks: others }]) => other !== name && Object.keys(others).some((each) => each in networks),
        )
        .map(([other]) => [workloadOf(name), workloadOf(other)].toSorted())
        .filter(([one, other]) => one !== other)
        .map((pair) => pair.join(" and ")),
    ),
  );
  expect([...sharing].filter((pair) => !wanted.has(pair))).toEqual([]);
  expect([...wanted].filter((pair) => !sharing.has(pair))).toEqual([]);
  // Those that the callers share a network with are those that they call.
  const called = entries().filter(([, { networks }]) => "callers" in networks);
  expect(new Set(called.map(([name]) => workloadOf(name)))).toEqual(
    new Set(networkArrows.flatMap(({ from, to }) => (from === "callers" ? [to] : []))),
  );
});

test("no network leads out, and what is published is for this machine alone", () => {
  const masquerade = { "com.docker.network.bridge.enable_ip_masquerade": "false" };
  const published = ["callers", "operators"];
  for (const [name, network] of Object.entries(fleet.networks))
    expect([name, network]).toEqual([
      name,
      published.includes(name) ? { driver_opts: masquerade } : { internal: true },
    ]);
  for (const [name, { ports = [], networks }] of entries()) {
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/u);
    const isPublished = ["issuer", "order-1", "order-2", "prometheus"].includes(name) ? 1 : 0;
    const ways = Object.keys(networks).filter((each) => published.includes(each));
    expect([name, ports.length, ways.length]).toEqual([name, isPublished, isPublished]);
  }
});

describe.each<ServiceWorkload>(["issuer", "payment-service", "order-service"])("%s", (workload) => {
  const own = () => entries().filter(([name]) => workloadOf(name) === workload);
  const environmentOf = ({ environment = {} }: Service) =>
    Object.fromEntries(Object.entries(environment).flatMap(([name, value]) => (value === null ? [] : [[name, value]])));

  test("understands its environment, and has no variable that it does not know", () => {
    expect(own()).toHaveLength(workload === "issuer" ? 1 : 2);
    for (const [, service] of own()) {
      configReaders[workload](environmentOf(service));
      const known = variablesOf(workload);
      expect(Object.keys(service.environment ?? {}).filter((name) => !known.has(name))).toEqual([]);
    }
  });

  test("is told of files that are there, for it alone", () => {
    for (const [, service] of own()) {
      const mounts = (service.volumes ?? []).map((volume) => volume.split(":"));
      expect(mounts.every(([source = "", , mode]) => mode === "ro" && source.startsWith(folder))).toBe(true);
      const paths = Object.entries(environmentOf(service)).filter(([, value]) => value.startsWith("/"));
      expect(paths.length).toBeGreaterThan(3);
      for (const [name, path] of paths) {
        const [source, target] = mounts.find(([, mounted = ""]) => path.startsWith(mounted)) ?? [];
        const stat = statSync(path.replace(target ?? "nowhere", source ?? "nowhere"));
        const isSecret = /SECRET|PASSWORD|ENCRYPTION|JWKS|SIGNING_KEYS/u.test(name);
        expect([name, isSecret && (stat.mode & 0o077) !== 0]).toEqual([name, false]);
      }
    }
  });

  test("is healthy by its own probe, before anybody who needs it starts", () => {
    for (const [name, { networks }] of own()) {
      const needed = networkArrows.filter(({ from }) => from === workload).map(({ to }) => to);
      const waits = fleet.services[name]?.depends_on ?? {};
      expect(new Set(Object.keys(waits).map(workloadOf))).toEqual(new Set(needed));
      expect(Object.values(waits).every(({ condition }) => condition === "service_healthy")).toBe(true);
      expect(isService(workload) && Object.values(networks).length).toBeGreaterThan(2);
      // Without a test of its own: the image's.
      expect(fleet.services[name]?.["healthcheck"]).not.toHaveProperty("test");
    }
  });
});

test("no secret of a deployment stands in compose.yaml or in .env", () => {
  const secrets = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && (statSync(join(entry.parentPath, entry.name)).mode & 0o077) === 0)
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8").trim());
  expect(secrets.length).toBeGreaterThan(15);
  const text = readFileSync(file, "utf8") + environmentFile(prepared.environment);
  expect(secrets.filter((secret) => text.includes(secret))).toEqual([]);
  const inClear = [...text.matchAll(/^\s+(\w*(?:PASSWORD|SECRET)\w*): (.*)$/gmu)].filter(
    ([, name = "", value = ""]) => !(name.endsWith("_FILE") && value.startsWith("/")),
  );
  expect(inClear).toEqual([]);
});

test("what PostgreSQL and Valkey are given are no passwords, but what they keep of them", () => {
  for (const service of ["issuer", "payment", "order"])
    for (const store of ["database", "valkey"]) {
      const password = readFileSync(join(folder, service, `${store}-password`), "utf8");
      expect(password).toMatch(/^[\w-]{43}$/u);
      const kept = readFileSync(join(folder, store === "database" ? "postgres/roles.sql" : "valkey/users.acl"), "utf8");
      expect(kept).not.toContain(password);
    }
});

test("a second preparation leaves the first as it is", async () => {
  await expect(prepareCompose(folder)).rejects.toThrow(/is not empty, and its keys may be in use/u);
});

const compose = [["docker", "compose"], ["docker-compose"]].find(
  ([program = "", ...args]) => spawnSync(program, [...args, "version"]).status === 0,
);
if (compose === undefined) console.warn("! infra/compose is not read by docker compose here: there is none.");

test.runIf(compose !== undefined)("docker compose reads it, with and without what watches", () => {
  const [program = "", ...args] = compose ?? [];
  const config = (...profiles: readonly string[]) => {
    const env = { PATH: process.env["PATH"], ...prepared.environment };
    const output = execFileSync(program, [...args, "--file", file, ...profiles, "config", "--services"], { env });
    return output.toString().trim().split("\n");
  };
  const always = ["issuer", "order-1", "order-2", "payment-1", "payment-2", "postgres", "valkey"];
  // Version 1 lists them all, whatever their profiles.
  expect(config()).toEqual(expect.arrayContaining(always));
  const watching = entries().filter(([, { profiles }]) => profiles?.join() === "observability");
  expect(watching.map(([name]) => name)).toEqual(["prometheus", "collector"]);
  expect(new Set(config("--profile", "observability"))).toEqual(new Set([...always, "collector", "prometheus"]));
});
