const SIZE = 16_384;
// From about 800 on V8 collects the whole heap of its own accord, since it is small.
const TIMES = 400;
const AT_ONCE = 16;

/** Something whose end the process's memory tells. */
export const buffer = (): ArrayBuffer => new ArrayBuffer(SIZE);

/** How many of 400 buffers are in memory: after young collections alone, and after a full one. */
export interface Held {
  readonly young: number;
  readonly full: number;
}

/**
 * Does something that makes a buffer, sixteen of it at a time, with young collections all along. A full one before the 400 is what
 * any process has now and then. Needs `--expose-gc`.
 */
export async function held(one: () => Promise<unknown>): Promise<Held> {
  await one();
  collect("major");
  const before = buffers();
  let left = TIMES + AT_ONCE * 4;
  const each = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const isFirst = left === TIMES;
      const isFiftieth = left % 50 === 0;
      await one();
      if (isFirst) collect("major");
      // One alone: a second one would promote what runs.
      else if (isFiftieth) collect("minor", 1);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, each));
  collect("minor");
  const young = buffers() - before;
  collect("major");
  return { young, full: buffers() - before };
}

const buffers = (): number => Math.round(process.memoryUsage().arrayBuffers / SIZE);

/** What one collection finds is freed beside the program, and the next one waits for that. */
function collect(type: "major" | "minor", times = 3): void {
  if (globalThis.gc === undefined) throw new Error("--expose-gc is missing.");
  for (let left = times; left > 0; left -= 1) globalThis.gc({ type });
}
