import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { expect, test } from "vitest";
import manifest from "../package.json" with { type: "json" };

const root = join(import.meta.dirname, "..");

/** All that a module loads: files of ours, from the top of the package, and packages. */
function loadedBy(entry: string): { readonly files: ReadonlySet<string>; readonly packages: ReadonlySet<string> } {
  const [files, packages] = [new Set<string>(), new Set<string>()];
  const waiting = [entry];
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (files.has(file)) continue;
    files.add(file);
    const source = readFileSync(join(root, file), "utf8").replaceAll(/\/\*[\s\S]*?\*\/|^import type .*$/gmu, "");
    for (const [, from = ""] of source.matchAll(/(?:from|import\(?) ?"([^"]+)"/gu)) {
      if (from.startsWith(".")) waiting.push(relative(root, join(root, dirname(file), from)));
      else packages.add(from);
    }
  }
  return { files, packages };
}

const entries = Object.entries(manifest.exports).flatMap(([name, target]) =>
  typeof target === "object" ? [[name, target.source] as const] : [],
);

test.each(entries.filter(([name]) => name !== "./stores/valkey"))("%s loads no client of Valkey", (_name, source) => {
  const { files, packages } = loadedBy(source);
  expect([...packages].filter((name) => name.startsWith("@redis/"))).toEqual([]);
  expect([...files].filter((file) => file.includes("valkey"))).toEqual([]);
});
test("./stores/valkey does", () => {
  expect(loadedBy("src/stores/valkey.ts").packages).toContain("@redis/client");
});
