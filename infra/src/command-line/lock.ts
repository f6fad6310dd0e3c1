import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { setTimeout } from "node:timers/promises";
import { CommandError, writeReason } from "./command-error.ts";

/** A command holds the lock for well under a second; renewing hundreds of folders takes longer. */
const PATIENCE_MS = 15_000;
const POLL_MS = 50;

/**
 * Does something while no other process does it: the one that makes the file has the lock, and removes the file.
 *
 * @param options.what - what is being changed, for the sentence
 * @param options.patienceMs - how long to wait for another process
 * @throws {CommandError} naming the process that has it; a lock that a killed process left is not taken over, since two processes could
 *   do so at once
 */
export async function withLock<T>(
  path: string,
  work: () => Promise<T>,
  options: { readonly what: string; readonly patienceMs?: number },
): Promise<T> {
  const giveUpAtMs = performance.now() + (options.patienceMs ?? PATIENCE_MS);
  while (!taken(path)) {
    const holder = holderOf(path);
    if (holder?.gone === true) {
      throw new CommandError(
        `Process ${holder.pid} was killed while it changed ${options.what}; remove ${path} and try again.`,
      );
    }
    if (performance.now() > giveUpAtMs) {
      const who = holder === undefined ? "Another process" : `Process ${holder.pid} on ${holder.host}`;
      throw new CommandError(`${who} is changing ${options.what}; try again, or remove ${path} if it is not running.`);
    }
    await setTimeout(POLL_MS);
  }
  try {
    return await work();
  } finally {
    rmSync(path, { force: true });
  }
}

function taken(path: string): boolean {
  try {
    writeFileSync(path, `${JSON.stringify({ pid: process.pid, host: hostname() })}\n`, { flag: "wx", mode: 0o644 });
    return true;
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "EEXIST") return false;
    throw new CommandError(`${path} cannot be written: ${writeReason(cause)}.`, { cause });
  }
}

/** Undefined while the file is being written, or is just gone. */
function holderOf(path: string): { readonly pid: number; readonly host: string; readonly gone: boolean } | undefined {
  try {
    const { pid, host } = JSON.parse(readFileSync(path, "utf8")) as { pid: number; host: string };
    return { pid, host, gone: host === hostname() && !isRunning(pid) };
  } catch {
    return undefined;
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (cause) {
    // EPERM: it runs as somebody else.
    return !(cause instanceof Error && "code" in cause && cause.code === "ESRCH");
  }
}
