import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";

const program = fileURLToPath(new URL("../src/zt.ts", import.meta.url));

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "zero-trust-zt-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Runs `zt` for somebody who reads nothing of its output; gives its exit code and what it complains of. */
async function unread(...argv: string[]): Promise<{ readonly code: unknown; readonly errors: string }> {
  const zt = spawn(process.execPath, ["--conditions=source", program, ...argv], { cwd: folder });
  zt.stdout.destroy();
  const [errors, [code]] = await Promise.all([text(zt.stderr), once(zt, "close")]);
  return { code, errors };
}

test("says nothing when `head` has seen enough of its output", async () => {
  expect(await unread("policy")).toEqual({ code: 1, errors: "" });
});

test("says that a secret is lost which nobody took", async () => {
  const file = "keys issue api --file keys.json --client reporting --scope read:transactions".split(" ");
  const { code, errors } = await unread(...file, "--audience", "https://payment.production.internal");
  expect(code).toBe(1);
  expect(errors.trim().split("\n").at(-1)).toBe(
    "It could not be printed: nobody reads it any more. It was issued, and is lost: revoke or rotate it.",
  );
});

test("a mistake is a sentence, and no stack", async () => {
  expect(await unread("keys", "list", "api", "--file", "none.json")).toEqual({
    code: 1,
    errors: "The API key file none.json cannot be read: it does not exist.\n",
  });
});
