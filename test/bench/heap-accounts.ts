// Loaded into a program before its own: keeps the accounts of its heap while the bench says so. Until then it costs nothing.
import { GCProfiler, getHeapStatistics } from "node:v8";

/** What the bench says. */
export interface HeapOrder {
  readonly heap: "start" | "stop";
}

/** What was done to the heap, in bytes. */
export interface HeapSaid {
  readonly allocated: number;
  /** What collections of the young generation found alive, and moved; twice for what was found so twice. */
  readonly survived: number;
}

type Collection = ReturnType<GCProfiler["stop"]>["statistics"][number];
type Moment = Collection["beforeGC"];

const used = () => getHeapStatistics().used_heap_size;

let profiler: GCProfiler | undefined;
let usedAtStart = 0;

function start(): object {
  profiler = new GCProfiler();
  profiler.start();
  usedAtStart = used();
  return {};
}

function stop(): HeapSaid {
  if (profiler === undefined) throw new Error("No accounts were begun.");
  const { statistics } = profiler.stop();
  let allocated = 0;
  let survived = 0;
  let before = usedAtStart;
  for (const { gcType, beforeGC, afterGC } of statistics) {
    allocated += beforeGC.heapStatistics.usedHeapSize - before;
    before = afterGC.heapStatistics.usedHeapSize;
    if (gcType === "Scavenge") survived += young(afterGC) + Math.max(0, old(afterGC) - old(beforeGC));
  }
  return { allocated: allocated + used() - before, survived };
}

const young = (moment: Moment) => usedBy(moment, /^new/);
const old = (moment: Moment) => usedBy(moment, /^old/);

function usedBy({ heapSpaceStatistics }: Moment, name: RegExp): number {
  const spaces = heapSpaceStatistics.filter(({ spaceName }) => name.test(spaceName));
  return spaces.reduce((sum, { spaceUsedSize }) => sum + spaceUsedSize, 0);
}

process.on("message", (message: HeapOrder | object) => {
  if ("heap" in message) process.send?.(message.heap === "start" ? start() : stop());
});
