import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { vectorFolder } from "./vector-folder.ts";

const program = fileURLToPath(new URL("run.ts", import.meta.url));

/** Runs `pnpm test:standards` without pnpm. */
function run(folder: string | undefined): Promise<{ readonly code: number | string; readonly output: string }> {
  const { VECTORS_DIR: _, ...inherited } = process.env;
  const env = { ...inherited, ...(folder === undefined ? {} : { VECTORS_DIR: folder }) };
  return new Promise((resolve) => {
    execFile(process.execPath, ["--conditions=source", program], { env }, (error, stdout, stderr) => {
      resolve({ code: error?.code ?? 0, output: stdout + stderr });
    });
  });
}

const vectors = (...tests: object[]) => ({ testGroups: [{ tests }] });
const mac = { comment: "no MAC", key: "00".repeat(32), msg: "", tag: "00".repeat(32) };

test("skips loudly where nobody says where vectors are", async () => {
  const { code, output } = await run(undefined);
  expect(output).toMatch(/^!+\nSKIPPED: no vectors were compared\..*docs\/standards\.md.*\n!+\n$/);
  expect(code).toBe(0);
});

test("fails where the folder is none, or holds nothing that it knows", async () => {
  using folder = vectorFolder();
  const none = await run(`${folder.path}/none`);
  expect(none.output).toContain("which is no folder");
  expect(none.code).toBe(1);
  const empty = await run(folder.path);
  expect(empty.output).toContain("Nothing was compared.");
  expect(empty.code).toBe(1);
});

test("skips loudly what is not in the folder, and compares what is", async () => {
  using folder = vectorFolder();
  folder.write("hmac_sha256_test.json", vectors({ ...mac, tcId: 900, result: "invalid" }));
  const { code, output } = await run(folder.path);
  expect(output).toContain("SKIPPED: JWS: the verifier of tokens: no json_web_signature_test.json in VECTORS_DIR");
  expect(output).toContain("1 agree (0 accepted, 1 refused)");
  expect(output).toContain("no outcome is checked in for 1: 900");
  expect(code).toBe(0);
});

test("fails for an outcome that is not the one that is checked in", async () => {
  using folder = vectorFolder();
  folder.write("hmac_sha256_test.json", vectors({ ...mac, tcId: 1, result: "valid" }));
  const { code, output } = await run(folder.path);
  expect(output).toContain(
    "✗ 1 (no MAC): valid by the file, expected to agree, and it is refused: the signature is wrong.",
  );
  expect(code).toBe(1);
});

test("has a sentence and no stack for a file that is none, and goes on to the next", async () => {
  using folder = vectorFolder();
  folder.write("limbo.json", "{");
  folder.write("hmac_sha256_test.json", vectors({ ...mac, tcId: 900, result: "invalid" }));
  const { code, output } = await run(folder.path);
  expect(output).toContain("✗ limbo.json is not JSON; copy it again.");
  expect(output).not.toMatch(/^ {4}at /m);
  expect(output).toContain("1 agree");
  expect(code).toBe(1);
});
