import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type ComposeDeployment, prepareCompose } from "@zero-trust/infra/compose/prepare";
import { serviceNames } from "../stack.ts";
import { docker } from "./docker.ts";
import { imageOf, variableOf } from "./images.ts";
import { projectOf } from "./leftovers.ts";
import { otherImage } from "./other-image.ts";

/** infra/compose with a deployment and a name of its own. */
export interface ComposeProject extends AsyncDisposable {
  readonly name: string;
  readonly runId: string;
  readonly prepared: ComposeDeployment;
  /** Runs `docker compose` with it, and gives what it printed. */
  run(...args: readonly string[]): Promise<string>;
  /** The container of a service, by its name in compose.yaml. */
  containerOf(service: string): Promise<string>;
  /** The port of this machine that leads to the one that a service publishes. */
  portOf(service: string): Promise<number>;
}

const top = fileURLToPath(new URL("../../..", import.meta.url));
const file = join(top, "infra/compose/compose.yaml");

/** The program that is `docker compose` here: the plugin, or what there was before it; undefined where there is neither. */
export function findCompose(): readonly [string, ...string[]] | undefined {
  const programs = [["docker", "compose"], ["docker-compose"]] as const;
  return programs.find(([program, ...args]) => spawnSync(program, [...args, "version"]).status === 0);
}

/**
 * Makes a deployment and what `docker compose` needs to start it; nothing is started yet.
 *
 * @throws Error where there is no `docker compose`, or no image of what is not ours
 */
export async function newComposeProject(): Promise<ComposeProject> {
  const [program, ...args] = findCompose() ?? [];
  if (program === undefined) throw new Error("There is no docker compose.");
  const folder = mkdtempSync(join(tmpdir(), "zero-trust-compose-"));
  const prepared = await prepareCompose(join(folder, "deployment"));
  const runId = process.env["ZT_E2E_RUN"] ?? "unnamed";
  const name = projectOf(runId);
  const images = Object.fromEntries([
    ...serviceNames.map((service) => [variableOf(service), imageOf(service)]),
    ["ZT_POSTGRES_IMAGE", await otherImage("postgres")],
    ["ZT_VALKEY_IMAGE", await otherImage("valkey")],
    ["ZT_PROMETHEUS_IMAGE", await otherImage("prometheus")],
  ]) as Readonly<Record<string, string>>;
  // Any ports that are free.
  const ports = { ZT_ISSUER_PORT: "0", ZT_ORDER_1_PORT: "0", ZT_ORDER_2_PORT: "0", ZT_PROMETHEUS_PORT: "0" };
  const env = { ...process.env, ...prepared.environment, ...images, ...ports, COMPOSE_PROJECT_NAME: name };
  const run = async (...rest: readonly string[]) => {
    const options = { env, maxBuffer: 64 << 20 };
    const { stdout } = await promisify(execFile)(program, [...args, "--file", file, ...rest], options);
    return stdout.trimEnd();
  };
  const containerOf = async (service: string) => await run("ps", "--quiet", service);
  return {
    name,
    runId,
    prepared,
    run,
    containerOf,
    async portOf(service) {
      const [address = ""] = (await docker("port", await containerOf(service))).split("\n");
      return Number(address.slice(address.lastIndexOf(":") + 1));
    },
    async [Symbol.asyncDispose]() {
      await run("--profile", "observability", "down", "--volumes", "--remove-orphans", "--timeout", "5");
      rmSync(folder, { recursive: true });
    },
  };
}
