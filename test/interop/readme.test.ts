import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

test("the code in the README is the example that is compiled", () => {
  const [, code] = /```ts\n([\s\S]*?)```/.exec(read("README.md")) ?? [];
  expect(code).toBe(read("packages/auth/examples/readme.ts"));
});
