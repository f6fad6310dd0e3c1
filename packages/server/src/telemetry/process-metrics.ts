import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Instruments } from "./instruments.ts";

/** How finely the delay of the event loop is sampled, in milliseconds. */
const RESOLUTION_MS = 20;

/**
 * Observes the process itself: the delay of its event loop, its memory and its processor time.
 *
 * @returns what ends it
 */
export function observeProcess({ observe }: Instruments): () => void {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  // Each sample has the time between two of them in it.
  const seconds = (nanoseconds: number) => Math.max(0, nanoseconds - RESOLUTION_MS * 1e6) / 1e9;
  const since = (nanoseconds: number) => (delay.count === 0 ? undefined : seconds(nanoseconds));
  observe("nodejs.eventloop.delay.p50", () => since(delay.percentile(50)));
  observe("nodejs.eventloop.delay.p99", () => since(delay.percentile(99)));
  // The last of the three that is asked: the next look is at what comes after this one.
  observe("nodejs.eventloop.delay.max", () => {
    const longest = since(delay.max);
    delay.reset();
    return longest;
  });
  observe("process.memory.usage", () => process.memoryUsage.rss());
  observe("v8js.memory.heap.used", () => process.memoryUsage().heapUsed);
  observe("process.cpu.time", () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  observe("process.uptime", () => process.uptime());
  return () => delay.disable();
}
