import type { ServerResponse } from "node:http";

/** Whether a workload may have one more request running: the one that `response` answers. */
export type RunningRequests = (workload: string, response: ServerResponse) => boolean;

/** Counts the requests of each workload that are running, until they are answered or broken off. */
export function runningRequests(maxOfAWorkload: number): RunningRequests {
  const running = new Map<string, number>();
  return function mayRun(workload, response) {
    const before = running.get(workload) ?? 0;
    if (before >= maxOfAWorkload) return false;
    running.set(workload, before + 1);
    response.once("close", () => {
      const left = (running.get(workload) ?? 1) - 1;
      if (left > 0) running.set(workload, left);
      else running.delete(workload);
    });
    return true;
  };
}
