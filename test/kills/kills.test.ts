import { expect, test } from "vitest";
import { killRun } from "./kill-run.ts";

/** With it the same operations and kills are drawn again. */
const seed = Number(process.env["ZT_SEED"] ?? Date.now() % 2 ** 31);

test(`acknowledged orders are there and charged once, though services are killed at random moments (ZT_SEED=${seed})`, {
  // Some 30 s; starting a service takes many times as long where the machine is busy.
  timeout: 300_000,
}, async () => {
  const { complaints, figures } = await killRun({ operations: 150, kills: 10, seed });
  expect(complaints).toEqual([]);
  // Neither vain: orders were paid, and callers felt the kills.
  expect(figures.charges).toBeGreaterThan(50);
  expect(figures.attempts["UNAVAILABLE"]).toBeGreaterThan(0);
});
