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

/** What one of many things takes: of `count` that `make` makes and holds on to, in bytes. */
export async function bytesOfOne(count: number, make: () => unknown): Promise<number> {
  const before = collectedBytes();
  const held = [await make()];
  const bytes = (collectedBytes() - before) / count;
  // Held until here, so that it was not garbage when it was counted.
  held.length = 0;
  return bytes;
}
