import { execFile, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { clientEnvironment } from "@zero-trust/infra/client-environment";
import { newStackFolder, type Stack, startStack } from "@zero-trust/infra/stack";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { byHandLines } from "./by-hand-lines.ts";
import { blocksOf, patternOf, runBlocks, withoutSpace } from "./page-session.ts";

const top = fileURLToPath(new URL("../..", import.meta.url));
const path = `${join(top, "node_modules/.bin")}:${process.env["PATH"]}`;
const [variables, ...blocks] = blocksOf(readFileSync(join(top, "docs/wire.md"), "utf8"));

let stack: Stack;
beforeAll(async () => {
  stack = await startStack(newStackFolder("by-hand"));
});
afterAll(() => stack[Symbol.asyncDispose]());

test("docs/wire.md names the variables that its commands and programs are given", () => {
  const named = [...(variables?.commands ?? "").matchAll(/^export (\w+)='/gm)].map(([, name]) => name);
  expect(named).toEqual(Object.keys(clientEnvironment(stack)));
});

test("a client for grpc-js without our packages makes the calls of docs/wire.md", async () => {
  const program = fileURLToPath(new URL("try-by-hand.ts", import.meta.url));
  // Of the environment it has what the page names; a proxy would see whom we call.
  const env = { ...clientEnvironment(stack), https_proxy: "http://127.0.0.1:9", NODE_USE_ENV_PROXY: "1" };
  const { stdout } = await promisify(execFile)(process.execPath, [program], { env });
  expect(stdout.trimEnd().split("\n")).toEqual(byHandLines);
});

// npm does not bring them. In CI they have to be there.
const missing = ["openssl", "curl"].filter((tool) => spawnSync(tool, ["--version"]).error !== undefined);
if (missing.length > 0)
  console.warn(`The commands of docs/wire.md are not run: this machine lacks ${missing.join(", ")}.`);

describe.skipIf(missing.length > 0 && process.env["CI"] === undefined)("the commands of docs/wire.md", () => {
  let printed: readonly string[] = [];
  beforeAll(async () => {
    if (missing.length > 0) throw new Error(`They need ${missing.join(" and ")}, which this machine lacks.`);
    printed = await runBlocks(blocks, { cwd: top, env: { ...clientEnvironment(stack), PATH: path } });
  });

  test("are there for all four methods, and for refusals", () => {
    const sections = ["By token", "By certificate", "By API key", "By signature", "Refusals"];
    expect(new Set(blocks.map(({ section }) => section))).toEqual(new Set(["The connection", ...sections]));
  });
  test.each(blocks.map(({ section, prints = "" }, index) => ({ section, prints, index })))(
    "$section, block $index: print what the page says",
    ({ prints, index }) => {
      expect(withoutSpace(printed[index] ?? "nothing was run")).toMatch(patternOf(prints));
    },
  );
});
