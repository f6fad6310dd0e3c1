import { setTimeout } from "node:timers/promises";
import { vi } from "vitest";
import type { StackService } from "../stack/stack.ts";
import { processesOf, type Rolled } from "./rolled.ts";

/** How long a process may take to be found again by those who call it. */
const found = { timeout: 90_000, interval: 50 };
/**
 * A client that could not connect leaves an address alone for up to 10 s, give or take a fifth: the next replica does not go before that, or
 * some client would have none (`minReadySeconds` in Kubernetes).
 */
const READY_MS = 12_000;

/** Stops each process (SIGTERM) and starts it again, one after the other, each when the one before has been back for long enough. */
export async function rollProcesses(rolled: Rolled): Promise<undefined> {
  for (const process of processesOf(rolled)) {
    await rollProcess(process);
    await setTimeout(READY_MS);
  }
}

/** Stops the first replica of payment and of order, and starts it again: the other one takes the calls meanwhile. */
export async function rollTwoReplicas({ payment, order }: Rolled): Promise<undefined> {
  for (const process of [payment, order]) {
    await rollProcess(process);
    const before = await decisionsOf(process);
    await vi.waitUntil(async () => (await decisionsOf(process)) > before, found);
  }
}

async function rollProcess(process: StackService): Promise<void> {
  await process.stop();
  await process.restart();
}

/** How many calls it has let in, but for questions for its health. */
async function decisionsOf(process: StackService): Promise<number> {
  const allowed = (await process.log()).filter(({ log, outcome }) => log === "decision" && outcome === "allowed");
  return allowed.filter(({ method }) => !String(method).startsWith("/grpc.health")).length;
}
