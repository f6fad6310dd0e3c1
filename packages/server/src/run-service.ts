import { z } from "zod";
import { logLevel, readConfig } from "./config.ts";
import { createLog, installGrpcLogger, type Log, recordLog } from "./log.ts";
import { redactText } from "./redact.ts";

/** A service that takes longer to drain is ended: an orchestrator kills at 30 s by default. */
const CLOSE_TIMEOUT_MS = 30_000;

/** What `runService` can be told. */
export interface RunServiceOptions {
  /** How long the service may take to close, in milliseconds; 30 s unless given. */
  readonly closeTimeoutMs?: number;
}

/**
 * Runs a service as a process: starts it, closes it on SIGTERM or SIGINT, and exits, 0 when it closed, 1 when it could
 * not start (one sentence on standard error, no stack), failed, got a second signal or took more than 30 s to close.
 */
export async function runService(
  name: string,
  main: (log: Log) => Promise<{ close(): Promise<void> }>,
  options: RunServiceOptions = {},
): Promise<void> {
  const { closeTimeoutMs = CLOSE_TIMEOUT_MS } = options;
  const signalled = firstSignal();
  let log: Log | undefined;
  let service: { close(): Promise<void> };
  try {
    const { ZT_LOG_LEVEL: level } = readConfig(z.object({ ZT_LOG_LEVEL: logLevel.default("info") }));
    log = createLog({ name, level });
    installGrpcLogger(log);
    exitOnUncaught(log);
    service = await main(log);
  } catch (error) {
    // Whoever looks for a mistake in the program turns this on.
    log?.debug({ err: error }, "could not start");
    process.stderr.write(`${name}: ${sentence(error)}\n`);
    process.exit(1);
  }
  const signal = await signalled;
  const lifecycle = recordLog(log, "lifecycle");
  lifecycle.info({ signal }, "closing");
  setTimeout(() => {
    lifecycle.fatal({ timeoutMs: closeTimeoutMs }, "not closed in time");
    process.exit(1);
  }, closeTimeoutMs).unref();
  try {
    await service.close();
  } catch (err) {
    lifecycle.fatal({ err }, "failed to close");
    process.exit(1);
  }
  lifecycle.info("closed");
  process.exit(0);
}

/** Resolves with the first signal to end; a second one ends the process at once. */
function firstSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let signals = 0;
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      process.on(signal, () => {
        signals += 1;
        if (signals > 1) process.exit(1);
        resolve(signal);
      });
    }
  });
}

/** After an error that nobody caught the state is unknown: the process ends and is started anew. */
function exitOnUncaught(log: Log): void {
  process.on("uncaughtException", (err) => {
    log.fatal({ err }, "uncaught exception");
    process.exit(1);
  });
  process.on("unhandledRejection", (err) => {
    log.fatal({ err }, "unhandled rejection");
    process.exit(1);
  });
}

/** An error as one line of printable text. */
function sentence(error: unknown): string {
  const message = error instanceof Error && error.message !== "" ? error.message : "could not start";
  return redactText(message).replaceAll(/[^\x20-\x7e]+/gu, " ");
}
