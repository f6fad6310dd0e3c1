import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newSigningKey } from "@zero-trust/auth/issue";
import { ConfigError } from "@zero-trust/server";
import { afterEach, beforeEach, expect, test } from "vitest";
import { signerFromFile } from "./signing-secret.ts";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "signing-secret-"));
  path = join(folder, "secret");
});
afterEach(() => rmSync(folder, { recursive: true }));

const failure = (keyId: string): Error => {
  try {
    signerFromFile({ keyId, path });
  } catch (error) {
    return error as Error;
  }
  throw new Error("It was taken.");
};

test("takes a secret with the line feed that editors put after it", () => {
  const { id, secret } = newSigningKey();
  writeFileSync(path, `${secret.expose()}\n`);
  expect(signerFromFile({ keyId: id, path }).metadataKeys).toContain("x-signature");
});

test("names the file that is missing, and the variable", () => {
  const error = failure("hk-0123456789abcdef");
  expect(error).toBeInstanceOf(ConfigError);
  expect(error.message).toBe(
    `The signing secret ${path} cannot be read (ENOENT): name its file in ZT_SIGNING_SECRET_FILE.`,
  );
});

test("refuses what is no secret, or no key id, and repeats neither", () => {
  writeFileSync(path, "hunter2");
  const wrongSecret = failure("hk-0123456789abcdef");
  expect(wrongSecret).toBeInstanceOf(ConfigError);
  expect(wrongSecret.message).toContain(path);
  expect(wrongSecret.message).not.toContain("hunter2");
  const { secret } = newSigningKey();
  writeFileSync(path, secret.expose());
  const wrongId = failure("sk-live-oops");
  expect(wrongId.message).toContain("ZT_SIGNING_KEY_ID");
  expect(wrongId.message).not.toContain("oops");
  expect(wrongId.message).not.toContain(secret.expose());
});
