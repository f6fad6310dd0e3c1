import { readdirSync, readFileSync } from "node:fs";

/** What a process has had of the processor, in microseconds (the system counts nanoseconds). */
export interface ProcessorTime {
  /** All of its threads, and all processes that it started and that run. */
  readonly used: number;
  readonly usedByMainThread: number;
  /**
   * How long its main thread could have run, and had to wait for somebody else; its own other threads are not somebody else,
   * nor is what it started.
   */
  readonly waited: number;
}

/** Of this process, or of another one. */
export function processorTime(pid: number): ProcessorTime {
  const threads = readdirSync(`/proc/${pid}/task`).map((thread) => schedstat(`/proc/${pid}/task/${thread}`));
  const ownUsed = threads.reduce((sum, [ran]) => sum + ran, 0) / 1_000;
  const used = startedBy(pid).reduce((sum, started) => sum + processorTime(started).used, ownUsed);
  const [ranMain, waitedMain] = schedstat(`/proc/${pid}`);
  return { used, usedByMainThread: ranMain / 1_000, waited: (waitedMain + ranMain) / 1_000 - used };
}

/** The processor time alone, in microseconds. */
export function processorMicroseconds(pid: number): number {
  return processorTime(pid).used;
}

/** Nanoseconds that ran, and that waited; none of a thread that has just ended. */
function schedstat(folder: string): readonly [number, number] {
  try {
    const [ran, waited] = readFileSync(`${folder}/schedstat`, "utf8").split(" ").map(Number);
    return [ran ?? 0, waited ?? 0];
  } catch {
    return [0, 0];
  }
}

/** The memory that a process has in RAM, with those that it started, bytes. */
export function residentBytes(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return startedBy(pid).reduce((sum, started) => sum + residentBytes(started), Number(kilobytes) * 1_024);
}

/** The processes that one has started itself and that run; none where the system keeps no list of them. */
function startedBy(pid: number): readonly number[] {
  try {
    const started = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ");
    return started.filter((child) => child !== "").map(Number);
  } catch {
    return [];
  }
}
