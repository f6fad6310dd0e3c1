/**
 * `pnpm test:interop`: builds the clients and servers in other languages, and runs the tests of this folder with them.
 * Arguments go to vitest.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildPrograms, missingTools, versions } from "./toolchain.ts";

const test = fileURLToPath(new URL("..", import.meta.url));

const missing = await missingTools();
if (missing.length > 0) {
  const install = "`bash test/interop-foreign/install-foreign.sh` as root installs Debian's packages";
  console.error(`These tests need ${missing.join(", ")}, which this machine lacks: ${install}.`);
  process.exit(1);
}

const folder = mkdtempSync(join(tmpdir(), "zero-trust-interop-"));
const exiting = new AbortController();
process.on("exit", () => {
  exiting.abort();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => process.exit(130));

console.log(`With ${await versions()}: building …`);
await buildPrograms(folder, exiting.signal);

const config = ["--root", ".", "--config", "../vitest.config.ts", "--mode", "interop"];
const reporters = ["--reporter=verbose", "--reporter=json"];
const vitest = join(test, "node_modules/vitest/vitest.mjs");
const child = spawn(process.execPath, [vitest, "run", ...config, ...reporters, ...process.argv.slice(2)], {
  cwd: test,
  env: { ...process.env, TMPDIR: folder, ZT_INTEROP_FOLDER: folder },
  stdio: ["ignore", "inherit", "inherit"],
  signal: exiting.signal,
});
const [code] = (await once(child, "exit")) as [number | null];
process.exitCode = code ?? 1;
