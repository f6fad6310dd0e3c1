import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A service that runs as its image runs it: what was compiled, in a process of its own. */
export interface BuiltService extends AsyncDisposable {
  readonly pid: number;
  /** When it was begun, on the clock of `performance.now()`. */
  readonly startedMs: number;
  /** Resolves with its port when it listens; rejects with its last words when it ends before. */
  readonly listening: Promise<number>;
  /** Resolves when it has been asked to end, and has begun to. */
  readonly closing: Promise<void>;
  /** Resolves with its exit code. */
  readonly ended: Promise<number | null>;
}

/**
 * Starts a service that has been built.
 *
 * @param environment - its whole configuration
 */
export function startBuilt(service: string, environment: Readonly<Record<string, string>>): BuiltService {
  const main = fileURLToPath(new URL(`../../../services/${service}/dist/main.js`, import.meta.url));
  const startedMs = performance.now();
  const child: ChildProcess = spawn(process.execPath, ["--enable-source-maps", main], {
    env: { PATH: process.env["PATH"], NODE_ENV: "production", ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const listening = Promise.withResolvers<number>();
  const closing = Promise.withResolvers<void>();
  let lastWords = "";
  child.stderr?.on("data", (text: Buffer) => {
    lastWords += text.toString();
  });
  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on("line", (line) => {
      const { msg, port } = JSON.parse(line) as Record<string, unknown>;
      if (msg === "listening") listening.resolve(Number(port));
      if (msg === "closing") closing.resolve();
    });
  }
  const ended = once(child, "exit").then(([code]) => code as number | null);
  void ended.then(() => listening.reject(new Error(`${service} did not start: ${lastWords}`)));
  return {
    pid: child.pid ?? 0,
    startedMs,
    listening: listening.promise,
    closing: closing.promise,
    ended,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
