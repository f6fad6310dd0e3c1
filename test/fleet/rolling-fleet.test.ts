import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Fleet } from "./fleet.ts";
import { isWhole, MeasuringTable } from "./measured.ts";
import { rollLeaves } from "./roll-certificates.ts";
import { rollApiKey, rollSigningKeys } from "./roll-keys.ts";
import { rollProcesses, rollTwoReplicas } from "./roll-processes.ts";
import { type Rolled, rolledFleet } from "./rolled.ts";
import { headOfRollings, type Rolling, rollUnderLoad, rowOf } from "./rolling.ts";
import { canStartFleet, startFleet } from "./start.ts";

const rollings: readonly Rolling[] = isWhole
  ? [
      { what: "every leaf certificate, every 2 s for a minute", roll: (them) => rollLeaves(them, 30, 2_000) },
      { what: "an API key: second secret, change, end of the first", roll: rollApiKey },
      { what: "the signing keys of storefront and order-service", roll: rollSigningKeys },
      { what: "every process, one after the other (SIGTERM)", roll: rollProcesses },
    ]
  : [{ what: "a process of payment, and one of order (SIGTERM)", roll: rollTwoReplicas }];

// Two of payment and of order: callers make another attempt as serviceConfig() says.
describe.runIf(canStartFleet)("a fleet", () => {
  let fleet: Fleet;
  let rolled: Rolled;
  const table = new MeasuringTable("rolling a fleet", headOfRollings);
  beforeAll(async () => {
    fleet = await startFleet();
    rolled = rolledFleet(fleet);
  }, 300_000);
  afterAll(async () => {
    table.close();
    await fleet?.[Symbol.asyncDispose]();
  });

  test.each(rollings)("answers every call while $what is replaced", { timeout: 400_000 }, async (rolling) => {
    const figures = await rollUnderLoad(rolled, { ...rolling, retries: true });
    table.add(...rowOf(figures));
    expect(figures.failures).toEqual([]);
    expect(figures.calls).toBeGreaterThan(10);
  });
});
