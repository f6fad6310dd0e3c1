// Loaded into a program before its own: keeps the accounts of its heap while the bench says so. Until then it costs nothing.
import { GCProfiler, getHeapStatistics } from "node:v8";
import { accountsOf, type HeapSaid } from "./heap.ts";

/** What the bench says. */
export interface HeapOrder {
  readonly heap: "start" | "stop";
}

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
  return accountsOf(profiler.stop().statistics, { usedAtStart, usedAtEnd: used() });
}

process.on("message", (message: HeapOrder | object) => {
  if ("heap" in message) process.send?.(message.heap === "start" ? start() : stop());
});
