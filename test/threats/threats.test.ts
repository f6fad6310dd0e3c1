import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { catalogue } from "../catalogue.ts";
import { boundaries, threatsOf } from "../threats.ts";
import { page, pagePath } from "./page.ts";

const top = new URL("../../", import.meta.url);
const threats = boundaries.flatMap((boundary) => boundary.threats);
const rows = catalogue.flatMap((group) => group.rows);

test("docs/threat-model.md is what these files say; `node test/threats/page.ts --write` writes it", () => {
  expect(readFileSync(pagePath, "utf8")).toBe(page());
});

test("every row of the catalogue is an instance of a threat, and every threat has rows that there are", () => {
  expect(rows.filter(({ id }) => threatsOf(id).length === 0).map(({ id }) => id)).toEqual([]);
  const ids = new Set(rows.map(({ id }) => id));
  expect(threats.flatMap(({ scenarios }) => scenarios).filter((id) => !ids.has(id))).toEqual([]);
  expect(threats.filter(({ scenarios }) => scenarios.length === 0)).toEqual([]);
});

test("every threat has an id of its own, files that are there, and somebody who asks for its answer", () => {
  expect(new Set(threats.map(({ id }) => id)).size).toBe(threats.length);
  expect(threats.flatMap(({ files }) => files).filter((file) => !existsSync(new URL(file, top)))).toEqual([]);
  expect(threats.filter(({ files, standards }) => files.length === 0 || standards.length === 0)).toEqual([]);
});

test("STRIDE is whole", () => {
  expect(new Set(threats.map(({ stride }) => stride)).size).toBe(6);
});

test("what the page links to is there", () => {
  const text = page();
  const anchors = new Set([...text.matchAll(/<a id="([^"]+)">/g)].map(([, id]) => id));
  const links = [...text.matchAll(/\]\(([^)]+)\)/g)].map(([, target = ""]) => target);
  expect(links.filter((link) => link.startsWith("#") && !anchors.has(link.slice(1)))).toEqual([]);
  const files = links.filter((link) => !link.startsWith("#")).map((link) => link.replace(/#.*$/, ""));
  expect(files.filter((file) => !existsSync(new URL(file, new URL("docs/", top))))).toEqual([]);
});
