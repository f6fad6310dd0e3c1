import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** One record of a service's log. */
export type LogRecord = Readonly<Record<string, unknown>>;

/** A service that runs as a process of its own on loopback. */
export interface ServiceProcess {
  readonly port: number;
  /** Of its last start. */
  readonly pid: number;
  /** What it has logged so far, over all its starts. */
  readonly log: readonly LogRecord[];
  /** Every line that it has written so far, to standard output and standard error, as it is. */
  readonly said: readonly string[];
  /** Asks it to stop (SIGTERM), or ends it at once (SIGKILL), also while it is starting, and waits until it is gone. */
  stop(signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
  /** Starts it again where it was, after it has been stopped. */
  restart(): Promise<void>;
}

/** How long a service may take to listen, in milliseconds; it takes about one second. */
const startTimeoutMs = 20_000;
/** How long it may take to stop before it is ended. */
const stopTimeoutMs = 15_000;

/**
 * Starts a service from source and waits until it listens.
 *
 * @param service - the folder below `services/`
 * @param environment - its whole configuration
 * @throws Error with what the service said when it does not come up
 */
export async function startService(
  service: string,
  environment: Readonly<Record<string, string>>,
): Promise<ServiceProcess> {
  const said: string[] = [];
  const log: LogRecord[] = [];
  let current = launch(service, environment, { log, said });
  const port = await current.listening;
  return {
    port,
    log,
    said,
    get pid() {
      return current.child.pid ?? 0;
    },
    stop: (signal = "SIGTERM") => end(current.child, signal),
    async restart() {
      current = launch(service, { ...environment, ZT_PORT: String(port) }, { log, said });
      await current.listening;
    },
  };
}

/** What a service has written: the records of its log, and every line as it is. */
interface Written {
  readonly log: LogRecord[];
  readonly said: string[];
}

/** A process that has been started, and where it listens as soon as it does. */
interface Launched {
  readonly child: ChildProcess;
  readonly listening: Promise<number>;
}

/** What Node has compiled of the services, so that the next one starts in two thirds of the time; by the sources' own bytes. */
const compiled = fileURLToPath(new URL("../../node_modules/.cache/compiled", import.meta.url));

function launch(service: string, environment: Readonly<Record<string, string>>, { log, said }: Written): Launched {
  const main = fileURLToPath(new URL(`../../services/${service}/src/main.ts`, import.meta.url));
  const child = spawn(process.execPath, ["--conditions=source", main], {
    env: { PATH: process.env["PATH"], NODE_COMPILE_CACHE: compiled, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
    // Ctrl-C at the terminal goes to us alone, and we stop the services in their order.
    detached: true,
  });
  // The last resort, when we end without having stopped it. First, so that its files are removed after it has gone.
  const kill = () => void child.kill("SIGKILL");
  process.prependOnceListener("exit", kill);
  child.once("exit", () => process.off("exit", kill));
  const listening = Promise.withResolvers<number>();
  const lastWords: string[] = [];
  createInterface({ input: child.stderr }).on("line", (line) => {
    said.push(line);
    lastWords.push(line);
  });
  createInterface({ input: child.stdout }).on("line", (line) => {
    said.push(line);
    const record = parseRecord(line);
    log.push(record);
    if (record["msg"] === "listening" && typeof record["port"] === "number") listening.resolve(record["port"]);
  });
  child.once("close", () => listening.reject(new Error(`${service} did not start: ${lastWords.join("\n")}`)));
  const late = () => listening.reject(new Error(`${service} did not listen within ${startTimeoutMs} ms.`));
  const timer = setTimeout(late, startTimeoutMs);
  const ended = async (error: unknown) => {
    await end(child, "SIGKILL");
    throw error;
  };
  return { child, listening: listening.promise.catch(ended).finally(() => clearTimeout(timer)) };
}

async function end(child: ChildProcess, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill(signal);
  const late = setTimeout(() => child.kill("SIGKILL"), stopTimeoutMs);
  await gone;
  clearTimeout(late);
}

function parseRecord(line: string): LogRecord {
  try {
    return JSON.parse(line) as LogRecord;
  } catch {
    return { msg: line };
  }
}
