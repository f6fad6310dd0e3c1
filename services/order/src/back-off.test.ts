import fc from "fast-check";
import { expect, test } from "vitest";
import { defaultBackOff, delayMs } from "./back-off.ts";

test("waits twice as long each time, up to the limit", () => {
  const most = (attempts: number) => delayMs(attempts, { firstMs: 100, maxMs: 1000 }, () => 1);
  expect([1, 2, 3, 4, 5, 6].map(most)).toEqual([100, 200, 400, 800, 1000, 1000]);
});

test("never waits longer than the limit nor less than half of its step", () => {
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
  fc.assert(
    fc.property(fc.nat(), random, (attempts, drawn) => {
      const delay = delayMs(attempts, defaultBackOff, () => drawn);
      expect(delay).toBeGreaterThanOrEqual(defaultBackOff.firstMs / 2);
      expect(delay).toBeLessThanOrEqual(defaultBackOff.maxMs);
    }),
  );
});
