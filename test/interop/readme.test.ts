import { execFile } from "node:child_process";
import { globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const top = fileURLToPath(new URL("../..", import.meta.url));
const codeOf = (path: string) => /```ts\n([\s\S]*?)```/.exec(readFileSync(join(top, path), "utf8"))?.[1];

test("the code in the README is the example that is compiled", () => {
  expect(codeOf("README.md")).toBe(readFileSync(join(top, "packages/auth/examples/readme.ts"), "utf8"));
});

test("the code in the packages' READMEs compiles where their users have it", { timeout: 60_000 }, async () => {
  const files = globSync("packages/*/README.md", { cwd: top }).flatMap((readme) => {
    const code = codeOf(readme);
    if (code === undefined) return [];
    // In the ignored folder of the package, so that its imports are resolved as its own.
    const file = join(top, dirname(readme), ".vitest/readme.ts");
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, code);
    return [file];
  });
  expect(files.length).toBeGreaterThanOrEqual(4);
  const project = join(top, "test/.vitest/readme.json");
  // An example may end with what it is an example of, and exports nothing.
  const loose = { noUnusedLocals: false, isolatedDeclarations: false, declaration: false, declarationMap: false };
  const compilerOptions = { ...loose, noEmit: true };
  mkdirSync(dirname(project), { recursive: true });
  writeFileSync(project, JSON.stringify({ extends: join(top, "tsconfig.base.json"), compilerOptions, files }));
  const said = await promisify(execFile)(join(top, "node_modules/.bin/tsc"), ["-p", project]).then(
    () => "",
    (error: unknown) => (error as { readonly stdout: string }).stdout,
  );
  expect(said).toBe("");
});
