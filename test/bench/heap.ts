/** What was done to the heap, in bytes. */
export interface HeapSaid {
  readonly allocated: number;
  /** What collections of the young generation found alive, and moved; twice for what was found so twice. */
  readonly survived: number;
}

/** What of the heap is looked at before and after a collection. */
interface Moment {
  readonly heapStatistics: { readonly usedHeapSize: number };
  readonly heapSpaceStatistics: readonly { readonly spaceName: string; readonly spaceUsedSize: number }[];
}

/** A collection, as V8 tells of it; only what is read here. */
export interface Collection {
  readonly gcType: string;
  readonly beforeGC: Moment;
  readonly afterGC: Moment;
}

/** Adds up what was allocated between collections, and what those of the young generation left. */
export function accountsOf(
  collections: readonly Collection[],
  { usedAtStart, usedAtEnd }: { readonly usedAtStart: number; readonly usedAtEnd: number },
): HeapSaid {
  let allocated = 0;
  let survived = 0;
  let before = usedAtStart;
  for (const { gcType, beforeGC, afterGC } of collections) {
    allocated += beforeGC.heapStatistics.usedHeapSize - before;
    before = afterGC.heapStatistics.usedHeapSize;
    if (gcType === "Scavenge") survived += young(afterGC) + Math.max(0, old(afterGC) - old(beforeGC));
  }
  return { allocated: allocated + usedAtEnd - before, survived };
}

const young = (moment: Moment) => usedBy(moment, /^new/);
const old = (moment: Moment) => usedBy(moment, /^old/);

function usedBy({ heapSpaceStatistics }: Moment, name: RegExp): number {
  const spaces = heapSpaceStatistics.filter(({ spaceName }) => name.test(spaceName));
  return spaces.reduce((sum, { spaceUsedSize }) => sum + spaceUsedSize, 0);
}
