import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** A program of the bench that runs as a process of its own, on one core. */
export interface PinnedProcess extends AsyncDisposable {
  readonly pid: number;
  /** Tells it something, and waits for its answer; rejects with what it says is wrong, or when it has ended. */
  ask<T>(message: object): Promise<T>;
}

/** How it is started. */
export interface PinnedOptions {
  /** The core; undefined where they cannot be chosen. */
  readonly core: number | undefined;
  /** Where its standard output goes: a file's descriptor. */
  readonly stdout?: number;
  /** Runs the packages' sources, where nothing is built; what is measured runs as its users run it. */
  readonly fromSource?: boolean | undefined;
  /** Modules of the bench that are loaded before the program. */
  readonly preload?: readonly string[];
  /** Where the bench is that they are of; this one unless given. */
  readonly bench?: URL | undefined;
}

/** How long a program may take to answer, in milliseconds. */
const PATIENCE_MS = 120_000;

/** Starts a program that says "ready" when it can be asked. */
export async function startPinned(file: string, options: PinnedOptions): Promise<PinnedProcess> {
  const { core, stdout, fromSource = false, preload = [], bench = new URL(".", import.meta.url) } = options;
  const conditions = fromSource ? ["--conditions=source"] : [];
  const preloaded = preload.flatMap((module) => ["--import", new URL(module, bench).href]);
  const program = [process.execPath, ...conditions, ...preloaded, fileURLToPath(new URL(file, bench))];
  const [command = "", ...args] = core === undefined ? program : ["taskset", "-c", String(core), ...program];
  const child = spawn(command, args, { stdio: ["ignore", stdout ?? "ignore", "inherit", "ipc"] });
  const ended = once(child, "exit");
  await answerOf(child, file);
  if (child.pid === undefined) throw new Error(`${file} did not start.`);
  return {
    pid: child.pid,
    async ask<T>(message: object) {
      const answer = answerOf(child, file);
      child.send(message);
      return (await answer) as T;
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

async function answerOf(child: ChildProcess, file: string): Promise<unknown> {
  if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${file} has ended.`);
  const gone = new AbortController();
  const leave = () => gone.abort(new Error(`${file} has ended.`));
  child.once("exit", leave);
  try {
    const signal = AbortSignal.any([AbortSignal.timeout(PATIENCE_MS), gone.signal]);
    const [said] = (await once(child, "message", { signal })) as [unknown];
    if (typeof said === "object" && said !== null && "error" in said) throw new Error(`${file}: ${String(said.error)}`);
    return said;
  } catch (error) {
    throw gone.signal.aborted ? gone.signal.reason : error;
  } finally {
    child.off("exit", leave);
  }
}
