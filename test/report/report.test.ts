import { expect, test } from "vitest";
import { catalogue } from "../catalogue.ts";
import { madeUpReport } from "./made-up-report.ts";
import { matrixOf } from "./matrix.ts";
import { pageOf } from "./page.ts";
import { countStates, type Report, reportOf, type ScenarioResult } from "./report.ts";

const all = catalogue.flatMap(({ rows }) => rows);
const rowIn = (report: Report, id: string) => report.groups.flatMap(({ rows }) => rows).find((row) => row.id === id);
const changing = (id: string, changes: Partial<ScenarioResult>) =>
  madeUpReport((result) => (result.id === id ? { ...result, ...changes } : result));

test("a row is held when its tests passed and everything that it expects was seen", () => {
  expect(countStates(madeUpReport())).toEqual(new Map([["held", all.length]]));
});

test("a row is open when a test of it failed, or when something that it expects was seen by none", () => {
  expect(rowIn(changing("M2", { passed: false }), "M2")?.state).toBe("open");
  const half = changing("M11", { observations: [{ what: "new", expected: "T", observed: "T" }] });
  expect(rowIn(half, "M11")?.state).toBe("open");
  expect(matrixOf(half)).toContain("not seen: UNAUTHENTICATED PEER_INVALID");
});

test("a control that is let in is not what a row of refusals expects", () => {
  const control = { what: "the same done right", expected: "OK", observed: "OK" } as const;
  expect(rowIn(changing("M2", { observations: [control] }), "M2")).toMatchObject({ state: "open", observed: [] });
});

test("every row is in the report, whether it was tried or not, and says why not", () => {
  const run = { driver: "processes", startedAt: "2026-01-02T03:04:05.678Z", durationMs: 1 } as const;
  const row = { attack: "a", expected: ["T"], defences: [], mutants: [] } as const;
  const rows = [
    { ...row, id: "A1" },
    { ...row, id: "A2", only: "containers" as const },
  ];
  const report = reportOf(run, [{ id: "A", title: "All", rows }], []);
  expect(report.groups[0]?.rows.map(({ state }) => state)).toEqual(["not run", "containers only"]);
  expect(matrixOf(report)).toContain("·A1 cA2");
});

test("the page has each row of the catalogue once, and the title says whether a door is open", () => {
  const page = pageOf(madeUpReport());
  expect([...page.matchAll(/data-row="([^"]+)"/g)].map(([, id]) => id)).toEqual(all.map(({ id }) => id));
  expect(page).toContain("<h1>Every door is shut</h1>");
  expect(pageOf(changing("M2", { passed: false }))).toContain(`<h1>1 of ${all.length} doors is open</h1>`);
});

test("what was seen is text on the page, whatever it is", () => {
  const observations = [{ what: '<script>"a"&', expected: "T" as const, observed: "<i>T" }];
  const page = pageOf(changing("M2", { observations }));
  expect(page).toContain("&lt;script&gt;&quot;a&quot;&amp;");
  expect(page).not.toContain("<script>");
  expect(page).not.toContain("<i>T");
});
