import { expect, test } from "vitest";
import { type ApiKeyUse, SAMPLE_MS, sampleUses } from "./use-sampler.ts";

function sampler() {
  const told: ApiKeyUse[] = [];
  const sample = sampleUses((use) => told.push(use));
  return { told, use: (id: string, atMs: number) => sample({ id, client: "reporting", atMs }) };
}

test("a key is told once a minute, and each key by itself", () => {
  const { told, use } = sampler();
  for (const atMs of [0, 1, SAMPLE_MS - 1, SAMPLE_MS, SAMPLE_MS + 1]) {
    use("a", atMs);
    use("b", atMs);
  }
  expect(told.map(({ id, atMs }) => `${id}${atMs}`)).toEqual(["a0", "b0", `a${SAMPLE_MS}`, `b${SAMPLE_MS}`]);
});
test("a clock that is set back silences a key for no longer than a minute", () => {
  const { told, use } = sampler();
  use("a", 3_600_000);
  use("a", 0);
  expect(told).toHaveLength(2);
});
test("more keys than are remembered are not told, and none is told twice", () => {
  const { told, use } = sampler();
  for (let key = 0; key < 12_000; key += 1) use(`k${key}`, 0);
  for (let key = 0; key < 12_000; key += 1) use(`k${key}`, 1);
  expect(told).toHaveLength(10_000);
  use("k11999", SAMPLE_MS);
  expect(told).toHaveLength(10_001);
});
