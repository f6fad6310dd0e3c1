import type { Memory } from "./stack.ts";

/** What is written to a process's `clear_refs` to have its peak counted anew (proc(5)). */
export const forgetPeak = "5";

/** The memory of a process by its `/proc/<pid>/status` (proc(5)). */
export function memoryIn(status: string): Memory {
  const bytes = (name: string) => {
    const [, kibibytes] = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status) ?? [];
    if (kibibytes === undefined) throw new Error(`The status of the process has no ${name}.`);
    return Number(kibibytes) * 1024;
  };
  return { now: bytes("VmRSS"), peak: bytes("VmHWM") };
}
