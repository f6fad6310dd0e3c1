import { readdirSync, readFileSync } from "node:fs";

/** What a process has had of the processor, in microseconds (the system counts nanoseconds). */
export interface ProcessorTime {
  /** All of its threads. */
  readonly used: number;
  /** How long its main thread could have run, and had to wait for somebody else; its own other threads are not somebody else. */
  readonly waited: number;
}

/** Of this process, or of another one. */
export function processorTime(pid: number): ProcessorTime {
  const threads = readdirSync(`/proc/${pid}/task`).map((thread) => schedstat(`/proc/${pid}/task/${thread}`));
  const used = threads.reduce((sum, [ran]) => sum + ran, 0);
  const [ranMain, waitedMain] = schedstat(`/proc/${pid}`);
  return { used: used / 1_000, waited: (waitedMain - (used - ranMain)) / 1_000 };
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

/** The memory that a process has in RAM, bytes. */
export function residentBytes(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kilobytes) * 1_024;
}
