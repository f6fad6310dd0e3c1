import { describe, expect, test } from "vitest";
import { limitStoreContract } from "../../test/limit-store-contract.ts";
import type { LimitStore } from "./limit-store.ts";
import { memoryLimits } from "./memory-limits.ts";
import { sharedLimits } from "./shared-limits.ts";

/** Two processes, and what they share, until it is away. */
function start() {
  let nowMs = 0;
  let isAway = false;
  const now = () => nowMs;
  const store = memoryLimits({ now });
  const shared: LimitStore = {
    take(taking) {
      if (isAway) throw new Error("away");
      return store.take(taking);
    },
  };
  const processes = [sharedLimits(shared, memoryLimits({ now })), sharedLimits(shared, memoryLimits({ now }))] as const;
  return {
    processes,
    passMs: (ms: number) => {
      nowMs += ms;
    },
    leave: () => {
      isAway = true;
    },
  };
}
const taking = { key: "a", cost: 1, rate: { perSecond: 2, burst: 4 } } as const;
const allowedBy = async (store: LimitStore) => (await store.take(taking)).allowed;

describe("limits that processes share", () => {
  limitStoreContract(async () => {
    const { processes, passMs } = start();
    return { store: processes[0], passMs };
  });

  test("are counted together, and each by itself while the store is away, from where it was", async () => {
    const { processes, passMs, leave } = start();
    const [here, there] = processes;
    expect([await allowedBy(here), await allowedBy(here), await allowedBy(there), await allowedBy(there)]).toEqual([
      ...Array<boolean>(4).fill(true),
    ]);
    expect(await allowedBy(here)).toBe(false);
    leave();
    // Of its own four it has asked for three.
    expect([await allowedBy(here), await allowedBy(here)]).toEqual([true, false]);
    expect([await allowedBy(there), await allowedBy(there), await allowedBy(there)]).toEqual([true, true, false]);
    passMs(500);
    expect([await allowedBy(here), await allowedBy(here)]).toEqual([true, false]);
  });
});
