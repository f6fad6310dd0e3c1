import { readdirSync, readFileSync } from "node:fs";

/** The processor time that a process has had, all of its threads, in microseconds (schedstat counts nanoseconds). */
export function processorMicroseconds(pid: number): number {
  let nanoseconds = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    try {
      nanoseconds += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ", 1)[0]);
    } catch {
      // A thread that has ended in between.
    }
  }
  return nanoseconds / 1_000;
}

/** The memory that a process has in RAM, bytes. */
export function residentBytes(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) * 1_024;
}
