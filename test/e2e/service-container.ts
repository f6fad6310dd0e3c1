import type { LogRecord } from "@zero-trust/infra/service-process";
import { Wait } from "testcontainers";
import { docker } from "./docker.ts";
import { HardenedContainer, type HardenedContainerOptions } from "./hardened-container.ts";

/** A service in its container. */
export interface ServiceContainer extends AsyncDisposable {
  readonly id: string;
  /** What it has logged, over all its starts. */
  log(): Promise<readonly LogRecord[]>;
  /** Ends it at once (SIGKILL) and leaves the container with its volumes. */
  kill(): Promise<void>;
  /** Starts it again after it has been killed, and waits until it listens. */
  restart(): Promise<void>;
  /** Evaluates an expression of JavaScript in the container, as its user, and returns the value. */
  evaluate(expression: string): Promise<unknown>;
}

/** How long a service may take to listen, in milliseconds; it takes about two seconds. */
const startTimeoutMs = 60_000;
const pollMs = 100;

/**
 * Starts a service and waits until it listens.
 *
 * @throws Error with its log when it does not come up
 */
export async function startServiceContainer(
  options: HardenedContainerOptions & { readonly environment: Readonly<Record<string, string>> },
): Promise<ServiceContainer> {
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
    const text = await docker("logs", id);
    return text
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line) as LogRecord);
  };
  const timesListening = async () => (await log()).filter(({ msg }) => msg === "listening").length;

  return {
    id,
    log,
    async kill() {
      await docker("kill", "--signal", "KILL", id);
      await docker("wait", id);
    },
    async restart() {
      const before = await timesListening();
      await docker("start", id);
      const deadline = Date.now() + startTimeoutMs;
      while ((await timesListening()) === before) {
        if (Date.now() > deadline)
          throw new Error(`${options.alias} did not listen again within ${startTimeoutMs} ms.`);
        await new Promise((resolve) => setTimeout(resolve, pollMs));
      }
    },
    async evaluate(expression) {
      const printed = await docker("exec", id, "node", "--print", `JSON.stringify(${expression})`);
      return JSON.parse(printed) as unknown;
    },
    [Symbol.asyncDispose]: async () => {
      await started.stop();
    },
  };
}
