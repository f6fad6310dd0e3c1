import { expect, test } from "vitest";
import { measuredTables, page, pageWith } from "./measured.ts";

test("the tables in docs/reliability.md are those of measured.json; `ZT_FLEET=write pnpm test:fleet` writes both", () => {
  expect(page()).toBe(pageWith(measuredTables()));
});

test("in none of the runs that they are of did a call fail while something was replaced", () => {
  const { rolling, "rolling a fleet": rollingFleet } = measuredTables();
  const rows = [rolling, rollingFleet].flatMap((table) =>
    (table?.rows ?? []).map((row) => ({ failed: row[table?.head.indexOf("failed") ?? -1] })),
  );
  expect(rows).toEqual(Array(7 + 4).fill({ failed: "0" }));
});

test("nor was anything good for longer than 30 s after it was taken back", () => {
  const { revocation } = measuredTables();
  const times = (revocation?.rows ?? []).flatMap((row) => row.slice(3)).filter((cell) => cell.endsWith(" s"));
  expect(times.length).toBeGreaterThanOrEqual(20);
  expect(times.filter((time) => Number.parseFloat(time) >= 30)).toEqual([]);
});
