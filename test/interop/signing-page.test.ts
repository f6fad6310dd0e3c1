import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const page = read("docs/interop.md");

test("the Python on docs/interop.md is that of the client that the tests run", () => {
  const [, shown] = /```python\n([\s\S]*?)\n```/.exec(page) ?? [];
  const [, run] = /^# page: sign\n([\s\S]*?)\n# end$/m.exec(read("test/interop-foreign/python/signed_client.py")) ?? [];
  expect(run).toContain("def sign(");
  expect(shown).toBe(run);
});

test("the string to sign on docs/interop.md is that of the worked vector", () => {
  const [, shown = ""] = /```text\n([\s\S]*?)\n```/.exec(page) ?? [];
  const lines = [...shown.matchAll(/^(\S+)\\n/gm)].map(([, line]) => `${line}\n`);
  const { requests } = JSON.parse(read("docs/vectors/hmac.json")) as { requests: { name: string; head?: string }[] };
  expect(lines.join("")).toBe(requests.find(({ name }) => name === "the worked vector")?.head);
});
