import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { catalogue } from "../catalogue.ts";
import { mutants } from "../mutants/mutants.ts";
import { scenarioFiles, scenarioFilesOf } from "./scenario-files.ts";

const top = new URL("../../", import.meta.url);
const rows = catalogue.flatMap((group) => group.rows);
const ids = new Set(rows.map(({ id }) => id));

test("every row has an id of its own, which begins with the letter of its group", () => {
  expect(ids.size).toBe(rows.length);
  for (const group of catalogue) expect(group.rows.filter(({ id }) => !id.startsWith(group.id))).toEqual([]);
});

test("every row has a scenario, and every scenario has a row", () => {
  expect(rows.map(({ id }) => id).filter((id) => scenarioFilesOf(id).length === 0)).toEqual([]);
  expect([...scenarioFiles.values()].flat().filter((id) => !ids.has(id))).toEqual([]);
});

test("a row is shown by processes too, unless it says that only containers can show it", () => {
  const byProcesses = (id: string) => scenarioFilesOf(id).some((file) => file.startsWith("test/attacks/"));
  expect(rows.filter(({ id, only }) => byProcesses(id) === (only === "containers")).map(({ id }) => id)).toEqual([]);
});

test("every row expects something, and names the files that shut its door", () => {
  expect(rows.filter(({ expected }) => expected.length === 0)).toEqual([]);
  expect(rows.filter(({ defences }) => defences.length === 0).map(({ id }) => id)).toEqual([]);
  expect(rows.flatMap(({ defences }) => defences).filter((file) => !existsSync(new URL(file, top)))).toEqual([]);
});

test("every row names the mutants that open its door, or says why no edit can", () => {
  const known = new Set(mutants.map(({ id }) => id));
  expect(rows.filter((row) => !("none" in row.mutants) && row.mutants.length === 0).map(({ id }) => id)).toEqual([]);
  const named = rows.flatMap((row) => ("none" in row.mutants ? [] : row.mutants));
  expect(named.filter((id) => !known.has(id))).toEqual([]);
});
