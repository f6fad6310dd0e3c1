import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { mutate } from "./mutant.ts";
import { mutants } from "./mutants.ts";

const top = fileURLToPath(new URL("../..", import.meta.url));

test("there are at least 40 mutants, each with an id of its own", () => {
  expect(new Set(mutants.map(({ id }) => id)).size).toBe(mutants.length);
  expect(mutants.length).toBeGreaterThanOrEqual(40);
});

test.each(mutants)("$id is of the code as it is", (mutant) => {
  for (const edit of [mutant, ...(mutant.also ?? [])]) {
    const source = readFileSync(join(top, edit.file), "utf8");
    expect(mutate(source, edit)).not.toBe(source);
  }
  expect(mutant.tests.filter((file) => !existsSync(join(top, file)))).toEqual([]);
});

test("a mutant whose text is not there, or there twice, is stale", () => {
  expect(() => mutate("a b", { search: "c", replace: "d" })).toThrow("not in the file");
  expect(() => mutate("a b a", { search: "a", replace: "d" })).toThrow("more than once");
});
