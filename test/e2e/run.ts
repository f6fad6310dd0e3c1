/**
 * `pnpm test:e2e`: builds the images, runs the attacks and the tests of this folder against containers, then the suites that run
 * against stores with PostgreSQL and Valkey in containers, and sees to it that nothing is left of them, also when it is interrupted.
 * Arguments go to vitest, for the attacks and the tests of this folder alone; after `stores`, for those suites alone.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { docker } from "../stack/containers/docker.ts";
import { variableOf } from "../stack/containers/images.ts";
import { removeLeftovers, runLabel } from "../stack/containers/leftovers.ts";
import { otherImage } from "../stack/containers/other-image.ts";
import { serviceNames } from "../stack/stack.ts";

const top = fileURLToPath(new URL("../..", import.meta.url));
const test = join(top, "test");
const vitest = join(test, "node_modules/vitest/vitest.mjs");
const runId = randomBytes(8).toString("hex");
/** Everything that this run writes outside of containers. */
const folder = mkdtempSync(join(tmpdir(), "zero-trust-e2e-run-"));
// PostgreSQL does not run as root: as whom it runs then, it has to get to its own folder in here, and to no other.
chmodSync(folder, 0o711);
/** What an interrupted program may take to end by itself, in milliseconds. */
const graceMs = 5_000;
/** What the engine may take to make what it was asked for, in milliseconds. */
const lateMs = 500;

let current: ChildProcess | undefined;
let interrupted: NodeJS.Signals | undefined;

/** Runs a program in a process group of its own, so that all of it can be ended. */
async function run(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<boolean> {
  if (interrupted !== undefined) return false;
  const env = { ...process.env, TMPDIR: folder, ZT_E2E_RUN: runId, ZT_STACK: "containers", ...environment };
  const child = spawn(process.execPath, args, {
    cwd: test,
    env,
    stdio: ["ignore", "inherit", "inherit"],
    detached: true,
  });
  current = child;
  const [code] = (await once(child, "exit")) as [number | null];
  end(child, "SIGKILL");
  current = undefined;
  return code === 0;
}

function end(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-(child.pid ?? 0), signal);
  } catch {
    // There is none left of its group.
  }
}

function interrupt(signal: NodeJS.Signals): void {
  if (interrupted !== undefined) return;
  interrupted = signal;
  console.error(`\n${signal}: ending the tests and removing their containers …`);
  const child = current;
  if (child === undefined) return;
  end(child, "SIGTERM");
  setTimeout(() => end(child, "SIGKILL"), graceMs).unref();
}

async function testServices(args: readonly string[]): Promise<boolean> {
  const built = serviceNames.filter((service) => process.env[variableOf(service)] === undefined);
  if (built.length > 0) console.log(`Building images for ${built.join(", ")} …`);
  // With a variant of each, also of those that are not built here, whose clock a test can move.
  if (!(await run([join(top, "infra/docker/build-images.ts"), "--faketime", ...serviceNames]))) return false;
  // Three files at a time, on few cores too: they wait more than they work.
  const config = ["--root", ".", "--config", "../vitest.config.ts", "--mode", "e2e", "--maxWorkers", "3"];
  // A line a test, as it ends, since each is a claim.
  const reporters = ["--reporter=verbose", "--reporter=json", "--reporter=./report/reporter.ts"];
  return await run([vitest, "run", ...config, ...reporters, ...args]);
}

/** The very suites that `pnpm test` runs against servers that are processes; the files of SQLite are the same here and there. */
async function testStores(args: readonly string[]): Promise<boolean> {
  const environment = {
    ZT_TEST_POSTGRES_IMAGE: await otherImage("postgres"),
    ZT_TEST_VALKEY_IMAGE: await otherImage("valkey"),
    ZT_TEST_LABEL: `${runLabel}=${runId}`,
  };
  const config = ["--root", "..", "--config", "vitest.config.ts", "--mode", "stores", "--maxWorkers", "2"];
  const output = ["--reporter=default", "--reporter=json", "--outputFile.json=test/.vitest/stores.json"];
  return await run(
    [vitest, "run", ...config, ...output, "--testNamePattern", "^(?!.*\\bsqlite\\b)", ...args],
    environment,
  );
}

async function testInContainers(): Promise<boolean> {
  const [first, ...rest] = process.argv.slice(2);
  if (first === "stores") return await testStores(rest);
  if (first !== undefined) return await testServices([first, ...rest]);
  const passed = await testServices([]);
  return (await testStores([])) && passed;
}

/** Removes what is left; after a run that was not interrupted, there being anything is a failure of its own. */
async function leaveNothing(): Promise<boolean> {
  const all = [...(await removeLeftovers(runId))];
  if (interrupted !== undefined) {
    // The engine may still be making what an interrupted program had asked for.
    await new Promise((resolve) => setTimeout(resolve, lateMs));
    all.push(...(await removeLeftovers(runId)));
  }
  // Last, since containers may write into it.
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  if (all.length === 0 || interrupted !== undefined) return true;
  console.error(`The tests left ${all.join(", ")} behind, which is removed now.`);
  return false;
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, interrupt);

const engine = await docker("version", "--format", "{{.Server.Version}}").catch(() => undefined);
if (engine === undefined) {
  rmSync(folder, { recursive: true });
  console.error(
    "No container engine answers: start Docker, or one of Debian's with `bash infra/docker/engine.sh start`.",
  );
  process.exit(1);
}
const passed = await testInContainers().catch((error: unknown) => {
  console.error(error);
  return false;
});
const clean = await leaveNothing();
process.exit(interrupted === undefined ? Number(!passed || !clean) : 130);
