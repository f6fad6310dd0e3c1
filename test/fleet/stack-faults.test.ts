import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startProcesses } from "../stack/process-stack.ts";
import { unlimited } from "../stack/unlimited.ts";
import { checkFault, headOfFaults, rowOfFault } from "./fault-figures.ts";
import { underFault } from "./faults.ts";
import type { LoadFigures } from "./load.ts";
import { isWhole, MeasuringTable } from "./measured.ts";
import { type BreakableStack, breakableStack, stackFaults } from "./stack-faults.ts";

// A quota in place of a full disk takes Linux; test:e2e has a volume that is full.
const canLimit = spawnSync("prlimit", ["--version"]).status === 0;
const [fullDisk, ...others] = stackFaults({ connections: 10_000 });
/** Every one of them: `pnpm test:fleet`. */
const faults = [...(canLimit ? [fullDisk] : []), ...(isWhole ? others : [])].filter((fault) => fault !== undefined);

describe.runIf(faults.length > 0)("one process of each lives through it, and is back by itself", () => {
  let stack: BreakableStack;
  let after: LoadFigures | undefined;
  const table = new MeasuringTable("faults of one of each", headOfFaults);
  beforeAll(async () => {
    stack = breakableStack(await startProcesses({ environmentOf: () => unlimited }));
  });
  afterAll(async () => {
    table.close();
    await stack?.[Symbol.asyncDispose]();
  });

  test.each(faults)("when $what", { timeout: 300_000 }, async (fault) => {
    const { figures, all } = await underFault(stack, fault, { forMs: isWhole ? 10_000 : 3_000, after });
    after = all;
    table.add(...rowOfFault(figures));
    checkFault(fault, figures);
    expect(figures.isSameProcesses).toBe(true);
  });
});
