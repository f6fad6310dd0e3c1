/**
 * Builds the images `zero-trust/<service>:local`, of all services or of those named as arguments: compiles and
 * deploys on the host, then copies the result onto the base image that `base-images.sh` finds. Prints their names.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { globSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const services = process.argv.length > 2 ? process.argv.slice(2) : ["issuer", "payment", "order"];

/** Runs a program and keeps what it prints, unless it fails. */
function run(command: string, args: readonly string[]): void {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: root, encoding: "utf8" });
  if (status === 0) return;
  process.stderr.write(`${stdout ?? ""}${stderr ?? ""}`);
  throw new Error(`${command} ${args[0]} failed${error === undefined ? "." : `: ${error.message}`}`);
}

function imageId(image: string): string {
  return spawnSync("docker", ["image", "inspect", "--format", "{{.Id}}", image], { encoding: "utf8" }).stdout.trim();
}

function build(service: string, base: string, folder: string): string {
  const image = `zero-trust/${service}:local`;
  // What it needs lies in the store since the install.
  run("pnpm", ["--filter", `@zero-trust/${service}`, "deploy", "--prod", "--offline", folder]);
  // What deploying left for a later install, with the time in it: the image has none, and equal ones must be equal.
  const leftovers = ["pnpm-*.yaml", "node_modules/.modules.yaml", "node_modules/.pnpm-workspace-state*.json"];
  for (const file of globSync(leftovers, { cwd: folder })) rmSync(join(folder, file));
  // The service runs as another user than the one whose umask these files have.
  run("chmod", ["-R", "a+rX", folder]);
  const values = ["--build-arg", `BASE=${base}`, "--build-arg", `SERVICE=${service}`];
  const before = imageId(image);
  run("docker", ["build", "--quiet", "--file", "infra/docker/Dockerfile", ...values, "--tag", image, folder]);
  // The one that it replaces would stay for ever, without a name; where something runs on it, it does.
  if (before !== "" && before !== imageId(image)) spawnSync("docker", ["image", "rm", before]);
  return image;
}

const work = mkdtempSync(join(tmpdir(), "zero-trust-images-"));
try {
  const base = execFileSync("bash", ["infra/docker/base-images.sh"], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
  });
  run("turbo", ["run", "build", ...services.map((service) => `--filter=@zero-trust/${service}`)]);
  for (const service of services) console.log(build(service, base.toString().trim(), join(work, service)));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}
