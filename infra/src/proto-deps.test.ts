import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

test("importing the module writes nothing", () => {
  const url = new URL("proto-deps.ts", import.meta.url).href;
  // With this permission alone, writing a file throws.
  const args = ["--permission", "--allow-fs-read=*", "--input-type=module", "--eval", `await import("${url}")`];
  const cwd = fileURLToPath(new URL("..", import.meta.url));
  expect(execFileSync(process.execPath, args, { cwd, encoding: "utf8" })).toBe("");
});
