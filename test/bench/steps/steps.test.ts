import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { mutate } from "../../mutants/mutant.ts";
import { steps } from "./steps.ts";

const top = fileURLToPath(new URL("../../..", import.meta.url));

test("each has an id of its own", () => {
  expect(new Set(steps.map(({ id }) => id)).size).toBe(steps.length);
});

test.each(steps)("$id is of the code as it is", ({ undo }) => {
  for (const edit of undo) {
    const source = readFileSync(join(top, edit.file), "utf8");
    expect(mutate(source, edit)).not.toBe(source);
  }
});
