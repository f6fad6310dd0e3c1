import { GCProfiler, getHeapStatistics } from "node:v8";
import { expect, test } from "vitest";
import { accountsOf } from "./heap.ts";

const moment = (young: number, old: number) => ({
  heapStatistics: { usedHeapSize: young + old },
  heapSpaceStatistics: [
    { spaceName: "new_space", spaceUsedSize: young },
    { spaceName: "old_space", spaceUsedSize: old },
  ],
});

test("what was allocated is what came between collections, before the first and after the last", () => {
  const collections = [
    { gcType: "Scavenge", beforeGC: moment(100, 1_000), afterGC: moment(10, 1_005) },
    { gcType: "MarkSweepCompact", beforeGC: moment(60, 1_005), afterGC: moment(10, 500) },
    { gcType: "Scavenge", beforeGC: moment(110, 500), afterGC: moment(20, 500) },
  ];
  const { allocated, survived } = accountsOf(collections, { usedAtStart: 1_050, usedAtEnd: 530 });
  expect(allocated).toBe(50 + 50 + 100 + 10);
  // What is left in the young generation, and what went to the old one; of a full collection nothing.
  expect(survived).toBe(10 + 5 + 20);
});

test("where nothing was collected, it is by what the heap has grown", () => {
  expect(accountsOf([], { usedAtStart: 5, usedAtEnd: 12 })).toEqual({ allocated: 7, survived: 0 });
});

test("reads what V8 tells: ten million bytes that are kept are allocated, and survive", () => {
  const profiler = new GCProfiler();
  profiler.start();
  const usedAtStart = getHeapStatistics().used_heap_size;
  const kept = Array.from({ length: 1_000_000 }, (_, index) => ({ index }));
  const usedAtEnd = getHeapStatistics().used_heap_size;
  const { allocated, survived } = accountsOf(profiler.stop().statistics, { usedAtStart, usedAtEnd });
  expect(kept).toHaveLength(1_000_000);
  expect(allocated).toBeGreaterThan(10_000_000);
  expect(survived).toBeGreaterThan(1_000_000);
});
