import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { livingProcesses } from "./living-processes.ts";

/** A program of infra that starts the services; ended, if it still runs, when it is disposed of. */
export interface RunningProgram extends AsyncDisposable {
  readonly child: ChildProcess;
  /** What it has printed so far. */
  said(): string;
  /** Resolves when it has printed a text; rejects when it ends without. */
  says(text: string): Promise<void>;
  /** The services that it has started and that run. */
  services(): readonly number[];
  /** Resolves with its exit code. */
  readonly ended: Promise<number | null>;
  /** Whatever is left of it: processes by their id, and its folder. */
  left(services: readonly number[]): readonly (number | string)[];
}

/** Starts `node` with arguments in a process of its own; its stack's folder is `.stack/<name>-<pid>`. */
export function startProgram(name: string, args: readonly string[]): RunningProgram {
  const child = spawn(process.execPath, ["--conditions=source", ...args], {
    cwd: fileURLToPath(new URL("../../infra", import.meta.url)),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (text: Buffer) => {
      said += text.toString();
    });
  const closed = once(child, "close").then(([code]) => code as number | null);
  const folder = fileURLToPath(new URL(`../../.stack/${name}-${child.pid}`, import.meta.url));
  return {
    child,
    said: () => said,
    async says(text) {
      while (!said.includes(text)) {
        const more = await Promise.race([once(child.stdout, "data"), closed.then(() => undefined)]);
        if (more === undefined && !said.includes(text)) throw new Error(`It ended without “${text}”: ${said}`);
      }
    },
    services: () =>
      livingProcesses()
        .filter(({ parent }) => parent === child.pid)
        .map(({ pid }) => pid),
    ended: closed,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null) child.kill("SIGTERM");
      await closed;
    },
    left(services) {
      const alive = new Set(livingProcesses().map(({ pid }) => pid));
      return [...services.filter((pid) => alive.has(pid)), ...(existsSync(folder) ? [folder] : [])];
    },
  };
}
