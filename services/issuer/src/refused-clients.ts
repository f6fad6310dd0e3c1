import { type MemoryLimits, memoryLimits, type Rate } from "@zero-trust/auth/server";
import type { TokenLog } from "./token-log.ts";

/**
 * What a workload may get wrong. A deployment that gives out a new secret late has a client that fails again and again, and is back
 * within a second; secrets and assertions cannot be guessed at this pace, nor their log be filled.
 */
const FAILURES: Rate = { perSecond: 1, burst: 60 };

/** Counts, for each workload, the requests whose client was not who it said it was. */
export interface RefusedClients {
  /** In how many seconds the workload may try again; 0 for now. */
  waitSeconds(workload: string): number;
  /** Counts what a log is told. */
  seenBy(log: TokenLog): TokenLog;
}

/** Nobody has failed so far. */
export function refusedClients(failures: MemoryLimits = memoryLimits()): RefusedClients {
  return {
    waitSeconds(workload) {
      const verdict = failures.take({ key: workload, cost: 0, rate: FAILURES });
      return verdict.allowed ? 0 : Math.ceil(verdict.retryAfterMs / 1_000);
    },
    seenBy: (log) => (request) => {
      const { error, caller } = request;
      if (error === "invalid_client" && caller !== undefined) {
        failures.take({ key: caller.peer.spiffeId, cost: 1, rate: FAILURES });
      }
      log(request);
    },
  };
}
