import { spawn } from "node:child_process";
import { buffer, text } from "node:stream/consumers";
import type { LogRecord } from "@zero-trust/infra/service-process";
import { extract } from "tar-stream";
import { Wait } from "testcontainers";
import { forgetPeak, memoryIn } from "../process-status.ts";
import type { StackService } from "../stack.ts";
import { docker, dockerPrints } from "./docker.ts";
import { HardenedContainer, type HardenedContainerOptions } from "./hardened-container.ts";

/** A service in its container. */
export interface ServiceContainer extends StackService, AsyncDisposable {
  readonly id: string;
  /** Evaluates an expression of JavaScript, which may wait, in the container, as its user, and returns the value. */
  evaluate(expression: string): Promise<unknown>;
}

/** How a service is run in a container. */
export interface ServiceContainerOptions extends HardenedContainerOptions {
  readonly environment: Readonly<Record<string, string>>;
  /** The folder in the container that it writes. */
  readonly data: string;
  /** Where it is reached from the relays. */
  readonly address: string;
  /** Where it is reached from here. */
  readonly publishedPort: number;
}

/** How long a service may take to listen, in milliseconds; it takes about two seconds. */
const startTimeoutMs = 60_000;
/** How long it may take to stop before it is ended, in seconds. */
const stopSeconds = 15;
const pollMs = 100;

/**
 * Starts a service and waits until it listens.
 *
 * @throws Error with its log when it does not come up
 */
export async function startServiceContainer(options: ServiceContainerOptions): Promise<ServiceContainer> {
  const said: string[] = [];
  const container = new HardenedContainer(options)
    .withEnvironment({ ...options.environment })
    .withStartupTimeout(startTimeoutMs)
    .withLogConsumer((stream) => stream.on("data", (line) => said.push(String(line))))
    .withWaitStrategy(Wait.forLogMessage(/"msg":"listening"/));
  const started = await container.start().catch((cause: unknown) => {
    throw new Error(`${options.alias} did not start: ${said.join("") || String(cause)}`, { cause });
  });
  const id = started.getId();

  const log = async () => {
    const lines = (await docker("logs", id)).split("\n").filter((line) => line.startsWith("{"));
    return lines.map((line) => JSON.parse(line) as LogRecord);
  };
  const timesListening = async () => (await log()).filter(({ msg }) => msg === "listening").length;
  const startedAs = async () => {
    const state = await docker("inspect", "--format", "{{.State.Running}} {{.State.StartedAt}}", id);
    return state.startsWith("true ") ? state : undefined;
  };
  /** What it said last on standard error. */
  const complaint = async () => {
    const logs = spawn("docker", ["logs", "--tail", "10", id], { stdio: ["ignore", "ignore", "pipe"] });
    return await text(logs.stderr);
  };
  const evaluate = async (expression: string) => {
    const program = `Promise.resolve((async () => ${expression})()).then((value) => console.log(JSON.stringify(value ?? null)))`;
    return JSON.parse(await docker("exec", id, "node", "--input-type=commonjs", "--eval", program)) as unknown;
  };

  return {
    id,
    port: options.publishedPort,
    address: options.address,
    log,
    said: async () => (await dockerPrints("logs", id)).split("\n"),
    evaluate,
    startedAs,
    async stop(signal = "SIGTERM") {
      if (signal === "SIGKILL") await docker("kill", "--signal", "KILL", id);
      else await docker("stop", "--time", String(stopSeconds), id);
      await docker("wait", id);
    },
    async restart() {
      const before = await timesListening();
      await docker("start", id);
      const deadline = Date.now() + startTimeoutMs;
      while ((await timesListening()) === before) {
        if ((await startedAs()) === undefined) throw new Error(`${options.alias} did not start: ${await complaint()}`);
        if (Date.now() > deadline) throw new Error(`${options.alias} did not listen again in ${startTimeoutMs} ms.`);
        await new Promise((resolve) => setTimeout(resolve, pollMs));
      }
    },
    pause: async () => void (await docker("pause", id)),
    resume: async () => void (await docker("unpause", id)),
    async memory() {
      const [status] = (await evaluate(
        `[fs.readFileSync("/proc/1/status", "utf8"), fs.writeFileSync("/proc/1/clear_refs", "${forgetPeak}")]`,
      )) as [string];
      return memoryIn(status);
    },
    data: () => filesIn(id, options.data),
    [Symbol.asyncDispose]: async () => {
      await started.stop();
    },
  };
}

/** The files of a folder in a container, by name. */
async function filesIn(id: string, folder: string): Promise<ReadonlyMap<string, Buffer>> {
  const copying = spawn("docker", ["cp", `${id}:${folder}/.`, "-"], { stdio: ["ignore", "pipe", "pipe"] });
  const said = text(copying.stderr);
  const files = new Map<string, Buffer>();
  for await (const entry of copying.stdout.pipe(extract())) {
    if (entry.header.type === "file") files.set(entry.header.name.replace(/^\.\//, ""), await buffer(entry));
    else entry.resume();
  }
  if (files.size === 0) throw new Error(`There are no files in ${folder}: ${await said}`);
  return files;
}
