import type { Engine } from "@zero-trust/database";
import { type Databases, startDatabases } from "@zero-trust/database/test/databases";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type SimulatedAcquirer, simulatedAcquirer } from "./simulated-acquirer.ts";

describe.each<Engine>(["sqlite", "postgres"])("on %s", (engine) => {
  let databases: Databases;
  beforeAll(async () => {
    databases = await startDatabases(engine);
  });
  afterAll(() => databases[Symbol.asyncDispose]());

  let acquirer: SimulatedAcquirer;
  beforeEach(async () => {
    acquirer = await simulatedAcquirer(await databases.fresh());
  });
  afterEach(async () => {
    await acquirer.close();
  });

  const eur = (minorUnits: bigint) => ({ currencyCode: "EUR", minorUnits });

  test("charges once however often it is asked with the same key", async () => {
    for (let time = 0; time < 3; time++) {
      expect(await acquirer.authorize("a", eur(100n))).toBe("authorized");
      expect(await acquirer.capture("a")).toBe("captured");
    }
    expect(await acquirer.countCharges()).toBe(1);
  });

  test("another key is another charge", async () => {
    for (const key of ["a", "b"]) {
      await acquirer.authorize(key, eur(100n));
      await acquirer.capture(key);
    }
    expect(await acquirer.countCharges()).toBe(2);
  });

  test("declines amounts that end in 13, and charges nothing for them", async () => {
    expect(await acquirer.authorize("a", eur(13n))).toBe("declined");
    expect(await acquirer.authorize("b", eur(1313n))).toBe("declined");
    expect(await acquirer.authorize("c", eur(130n))).toBe("authorized");
    expect(await acquirer.capture("a")).toBe("declined");
    expect(await acquirer.countCharges()).toBe(0);
  });

  test("charges nothing that was not held before", async () => {
    expect(await acquirer.capture("never")).toBe("declined");
    expect(await acquirer.countCharges()).toBe(0);
  });

  test("refuses a known key with another amount", async () => {
    await acquirer.authorize("a", eur(100n));
    await expect(acquirer.authorize("a", eur(101n))).rejects.toThrow("another amount");
  });
});
