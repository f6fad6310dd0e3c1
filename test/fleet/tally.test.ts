import { expect, test } from "vitest";
import { Tally } from "./tally.ts";

test("counts calls by how they ended, times only those that were answered, and tells of a part and of all", () => {
  const tally = new Tally();
  for (let ms = 1; ms <= 100; ms += 1) tally.ended("CreateOrder", "OK", ms);
  tally.ended("GetOrder", "UNAVAILABLE", 5_000, "Gone.");
  expect(tally.since()).toMatchObject({
    calls: 101,
    errors: { UNAVAILABLE: 1 },
    firstErrors: [expect.stringContaining("GetOrder: UNAVAILABLE Gone. (after 5000 ms")],
    tookMs: { p50: 50, p99: 99, p999: 100, max: 100 },
  });
  tally.ended("GetOrder", "OK", 7);
  expect(tally.since()).toMatchObject({ calls: 1, errors: {}, tookMs: { max: 7 } });
  expect(tally.all()).toMatchObject({ calls: 102, errors: { UNAVAILABLE: 1 } });
  expect(tally.answered).toBe(101);
});
