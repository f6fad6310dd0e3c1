import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkFault, headOfFaults, rowOfFault } from "./fault-figures.ts";
import { type BreakableFleet, breakable, faults, underFault } from "./faults.ts";
import type { LoadFigures } from "./load.ts";
import { isWhole, MeasuringTable } from "./measured.ts";
import { canStartFleet, startFleet } from "./start.ts";

/** Every one of them: `pnpm test:fleet`. */
const some = new Set(["Valkey is down, and back empty", "PostgreSQL crashes in the midst of transactions"]);

describe.runIf(canStartFleet)("a fleet lives through it, and is back by itself", () => {
  let fleet: BreakableFleet;
  let after: LoadFigures | undefined;
  const table = new MeasuringTable("faults", headOfFaults);
  beforeAll(async () => {
    fleet = breakable(await startFleet());
  }, 300_000);
  afterAll(async () => {
    table.close();
    await fleet?.[Symbol.asyncDispose]();
  });

  test.each(faults.filter(({ what }) => isWhole || some.has(what)))(
    "when $what",
    { timeout: 300_000 },
    async (fault) => {
      const { figures, all } = await underFault(fleet, fault, { forMs: isWhole ? 10_000 : 3_000, after });
      after = all;
      table.add(...rowOfFault(figures));
      checkFault(fault, figures);
      expect(figures.isSameProcesses).toBe(true);
    },
  );
});
