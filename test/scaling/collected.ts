import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** What this process holds in memory after all garbage is gone, in bytes: objects, and what stands outside of their heap. */
export function collectedBytes(): number {
  collect();
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Makes something, and says what it takes in memory while somebody holds on to it, in bytes. */
export async function weighed<T>(make: () => T | Promise<T>): Promise<{ readonly made: T; readonly bytes: number }> {
  const before = collectedBytes();
  const made = await make();
  return { made, bytes: collectedBytes() - before };
}

/** What one of many things takes: of `count` that `make` makes and holds on to, in bytes. */
export async function bytesOfOne(count: number, make: () => unknown): Promise<number> {
  return (await weighed(make)).bytes / count;
}
