/**
 * Builds the images `zero-trust/<service>:local`, of all services or of those named as arguments, and prints their names. With
 * `--faketime` it adds `zero-trust/<service>:faketime` on top of them, whose clock a test can move.
 *
 * It installs and builds in a container where bases and packages are in reach of one, else on the host, and says which.
 * `ZT_BUILD=container` and `ZT_BUILD=host` decide it; infra/docker/README.md has the other variables. A service whose image is named
 * by `ZT_ORDER_IMAGE` and so on is not built.
 */
import { spawnSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = fileURLToPath(new URL("../../", import.meta.url));
const say = (sentence: string) => console.error(`images: ${sentence}`);

/** Runs a program and returns what it prints on standard output; what else it says is told when it fails. */
function run(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): string {
  const options = { cwd: root, encoding: "utf8", env: { ...process.env, ...env }, maxBuffer: 64 << 20 } as const;
  const { status, stdout, stderr, error } = spawnSync(command, args, options);
  if (status === 0) return stdout.trim();
  const said = `${stdout ?? ""}${stderr ?? ""}${error?.message ?? ""}`.trim();
  throw new Error(`${said}\n${command} ${args[0]} failed.`);
}

function succeeds(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: "ignore" }).status === 0;
}

function baseImage(kind: "runtime" | "builder" | "debian"): string {
  const stdio = ["ignore", "pipe", "inherit"] as const;
  const { status, stdout } = spawnSync("bash", ["infra/docker/base-images.sh", kind], { cwd: root, stdio: [...stdio] });
  if (status !== 0) throw new Error(`There is no ${kind} image.`);
  return stdout.toString().trim();
}

/** The arguments of `docker build` that a network with a proxy needs; none of it stays in an image. */
function reach(): readonly string[] {
  const { ZT_BUILD_NETWORK: network, ZT_BUILD_CA_FILE: ca, ZT_BUILD_NPMRC: npmrc } = process.env;
  return [
    ...(network ? ["--network", network] : []),
    ...(ca ? ["--secret", `id=ca,src=${ca}`] : []),
    ...(npmrc ? ["--secret", `id=npmrc,src=${npmrc}`] : []),
  ];
}

const buildKit = { DOCKER_BUILDKIT: "1" };

/** The client has BuildKit with its plugin buildx, or, before version 23, by itself. */
function hasBuildKit(): boolean {
  if (succeeds("docker", ["buildx", "version"])) return true;
  return Number.parseInt(run("docker", ["version", "--format", "{{.Client.Version}}"]), 10) < 23;
}

/** Why the images cannot be built in a container; undefined when they can, with every package fetched for it. */
function objection(): string | undefined {
  if (!hasBuildKit()) return "this docker client has no BuildKit (its plugin buildx).";
  const builder = baseImage("builder");
  if (builder.startsWith("zero-trust/")) return "the image to build in cannot be pulled.";
  try {
    const target = ["--target", "packages", "--build-arg", `BUILDER=${builder}`];
    image("zero-trust/packages:local", ["--file", "infra/docker/Dockerfile", ...target, ...reach(), "."], buildKit);
    return undefined;
  } catch (error) {
    const said = (error as Error).message.split("\n").filter((line) => /\berror\b/iu.test(line));
    return ["a container cannot fetch the packages:", ...said.slice(0, 6).map((line) => line.slice(0, 200))].join(
      "\n  ",
    );
  }
}

function isInContainer(base: string): boolean {
  const { ZT_BUILD: wanted } = process.env;
  if (wanted === "host") return false;
  const isStandIn = base.startsWith("zero-trust/");
  const why = isStandIn && wanted === undefined ? "no base image can be pulled." : objection();
  if (why === undefined) return true;
  if (wanted === "container") throw new Error(`ZT_BUILD=container does not work here: ${why}`);
  say(`built on the host, since ${why}`);
  return false;
}

/**
 * Compiles on the host and lays out what the service needs, from what the install has fetched. The registry is asked at most
 * how old a package is.
 */
function deploy(service: string, folder: string): void {
  run("pnpm", ["--filter", `@zero-trust/${service}`, "deploy", "--prod", "--prefer-offline", folder]);
  // What deploying left for a later install, with the time in it: the image has none, and equal ones must be equal.
  const leftovers = ["pnpm-*.yaml", "node_modules/.modules.yaml", "node_modules/.pnpm-workspace-state*.json"];
  for (const file of globSync(leftovers, { cwd: folder })) rmSync(join(folder, file));
  // The service runs as another user than the one whose umask these files have.
  run("chmod", ["-R", "a+rX", folder]);
}

/** Tags what a build makes, and removes the one that had the name: it would stay for ever, without any. */
function image(tag: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): string {
  const id = () => spawnSync("docker", ["image", "inspect", "--format", "{{.Id}}", tag]).stdout.toString().trim();
  const before = id();
  run("docker", ["build", "--quiet", "--tag", tag, ...args], env);
  // Where something runs on it, it stays.
  if (before !== "" && before !== id()) spawnSync("docker", ["image", "rm", before]);
  return tag;
}

function main(work: string): void {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { faketime: { type: "boolean", default: false } },
  });
  const services = positionals.length > 0 ? positionals : ["issuer", "payment", "order"];
  if (!["container", "host", undefined].includes(process.env["ZT_BUILD"]))
    throw new Error("ZT_BUILD is container or host, or not set.");
  const unknown = services.find((service) => !existsSync(join(root, "services", service)));
  if (unknown !== undefined) throw new Error(`There is no service named ${unknown}.`);

  build(
    services.filter((service) => named(service) === undefined),
    work,
  );
  if (!values.faketime) return;
  const debian = ["--build-arg", `DEBIAN=${baseImage("debian")}`];
  const nothing = join(work, "nothing");
  mkdirSync(nothing);
  for (const service of services) {
    const below = named(service) ?? `zero-trust/${service}:local`;
    const on = ["--file", "infra/docker/faketime.Dockerfile", "--build-arg", `IMAGE=${below}`];
    console.log(image(`zero-trust/${service}:faketime`, [...on, ...debian, nothing]));
  }
}

/** The image that is to be used in place of the one that would be built here. */
function named(service: string): string | undefined {
  return process.env[`ZT_${service.toUpperCase()}_IMAGE`];
}

function build(services: readonly string[], work: string): void {
  if (services.length === 0) return;
  const runtime = baseImage("runtime");
  const inContainer = isInContainer(runtime);
  const builder = inContainer ? ["--build-arg", `BUILDER=${baseImage("builder")}`] : [];
  if (inContainer) say("built in a container.");
  else run("turbo", ["run", "build", ...services.map((service) => `--filter=@zero-trust/${service}`)]);

  for (const service of services) {
    const tag = `zero-trust/${service}:local`;
    const names = ["--build-arg", `BASE=${runtime}`, "--build-arg", `SERVICE=${service}`];
    const args = ["--file", "infra/docker/Dockerfile", ...names, ...builder];
    if (inContainer) {
      console.log(image(tag, [...args, ...reach(), "."], buildKit));
    } else {
      const folder = join(work, service);
      deploy(service, folder);
      console.log(image(tag, [...args, "--target", "prebuilt", folder]));
    }
  }
}

const work = mkdtempSync(join(tmpdir(), "zero-trust-images-"));
try {
  main(work);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}
