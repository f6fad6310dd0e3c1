import { execFile } from "node:child_process";
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const top = fileURLToPath(new URL("../..", import.meta.url));
const read = (path: string) => readFileSync(join(top, path), "utf8");
const codeOf = (path: string) => /```ts\n([\s\S]*?)```/.exec(read(path))?.[1];

test("the code in the README is the example that is compiled", () => {
  expect(codeOf("README.md")).toBe(read("packages/auth/examples/readme.ts"));
});

test("the code in docs/adopt.md is that of examples that are compiled and run", () => {
  const blocks = [...read("docs/adopt.md").matchAll(/^( *)```ts\n *\/\/ (\S+)\n([\s\S]*?)^ *```/gmu)];
  expect(blocks).toHaveLength(4);
  for (const [, indent = "", path = "", code = ""] of blocks) {
    expect(code.replaceAll(new RegExp(`^${indent}`, "gmu"), "")).toBe(read(path));
  }
});

test("the code in the packages' READMEs and docstrings compiles where their users have it", {
  timeout: 60_000,
}, async () => {
  const folders = globSync("packages/*", { cwd: top });
  for (const folder of folders) rmSync(join(top, folder, ".vitest/docs"), { recursive: true, force: true });
  const readmes = folders.flatMap((folder) => {
    const code = codeOf(`${folder}/README.md`);
    return code === undefined ? [] : [write(folder, "readme", code)];
  });
  expect(readmes.length).toBeGreaterThanOrEqual(4);
  const sources = folders.flatMap((folder) =>
    globSync(`${folder}/src/**/*.ts`, { cwd: top }).map((source) => ({ folder, source })),
  );
  // An example that is not fenced would be a fragment, which nobody compiles.
  const unfenced = sources.filter(({ source }) => /@example\n *\* (?!```ts\n)/u.test(read(source)));
  expect(unfenced.map(({ source }) => source)).toEqual([]);
  const docstrings = sources.flatMap(({ folder, source }) =>
    examplesIn(read(source)).map((code, at) => write(folder, `${source.replaceAll(/\W/gu, "-")}-${at}`, code)),
  );
  expect(docstrings.length).toBeGreaterThanOrEqual(27);
  expect(await complaintsOf([...readmes, ...docstrings])).toBe("");
});

/** The code of the `@example`s in a source. */
function examplesIn(source: string): string[] {
  return [...source.matchAll(/@example\n *\* ```ts\n([\s\S]*?)\n *\* ```$/gmu)].map(([, code = ""]) =>
    code.replaceAll(/^ *\* ?/gmu, ""),
  );
}

/** Writes code into the ignored folder of a package, so that its imports are resolved as the package's own. */
function write(folder: string, name: string, code: string): string {
  const file = join(top, folder, `.vitest/docs/${name}.ts`);
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, code);
  return file;
}

async function complaintsOf(files: readonly string[]): Promise<string> {
  const project = join(top, "test/.vitest/readme.json");
  // An example may end with what it is an example of, and exports nothing.
  const loose = { noUnusedLocals: false, isolatedDeclarations: false, declaration: false, declarationMap: false };
  const compilerOptions = { ...loose, noEmit: true };
  mkdirSync(join(project, ".."), { recursive: true });
  writeFileSync(project, JSON.stringify({ extends: join(top, "tsconfig.base.json"), compilerOptions, files }));
  return await promisify(execFile)(join(top, "node_modules/.bin/tsc"), ["-p", project]).then(
    () => "",
    (error: unknown) => (error as { readonly stdout: string }).stdout,
  );
}
