import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newKeyEncryptionKey, sealSigningKeys } from "@zero-trust/auth/issue";
import { openDatabase } from "@zero-trust/database";
import { createCa } from "@zero-trust/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { migrations } from "./migrations.ts";

let folder: string;
let environment: Record<string, string>;
const children: ChildProcess[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "payment-main-"));
  const write = (name: string, content: string) => {
    writeFileSync(join(folder, name), content, { mode: 0o600 });
    return join(folder, name);
  };
  const identity = await (await createCa()).issue({ spiffeId: "spiffe://production.internal/payment-service" });
  write("tls.crt", identity.cert);
  write("tls.key", identity.key);
  write("ca.crt", identity.ca);
  const key = newKeyEncryptionKey();
  environment = {
    ZT_PORT: "0",
    ZT_TLS_DIR: folder,
    ZT_GRANTS_FILE: write("grants.json", JSON.stringify({ grants: [] })),
    ZT_API_KEYS_FILE: write("api-keys.json", JSON.stringify({ keys: [] })),
    ZT_SIGNING_KEYS_FILE: write("signing-keys.json", sealSigningKeys([], key)),
    ZT_KEY_ENCRYPTION_KEY_FILE: write("key-encryption-key", key.expose()),
    ZT_DATABASE_FILE: join(folder, "payment.db"),
    ZT_ACQUIRER_FILE: join(folder, "acquirer.db"),
    // Nobody is there: the service starts all the same, and refuses tokens until somebody is.
    ZT_ISSUER_ADDRESS: "127.0.0.1:1",
  };
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

function start(changes: Record<string, string> = {}) {
  const child = spawn(process.execPath, ["--conditions=source", join(import.meta.dirname, "main.ts")], {
    env: { PATH: process.env["PATH"], ...environment, ...changes },
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  const output = { stdout: "", stderr: "", ended: once(child, "close").then(([code]) => code as number | null) };
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (output.stdout += chunk));
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (output.stderr += chunk));
  return { child, output };
}

test("says when it listens, and ends with 0 on SIGTERM", async () => {
  const { child, output } = start();
  await expect.poll(() => output.stdout, { timeout: 15_000 }).toContain('"msg":"listening"');
  const line = output.stdout.split("\n").find((one) => one.includes('"msg":"listening"')) ?? "";
  expect(JSON.parse(line)).toMatchObject({
    name: "payment",
    port: expect.any(Number),
    spiffeId: "spiffe://production.internal/payment-service",
  });
  child.kill("SIGTERM");
  expect(await output.ended).toBe(0);
  expect(output.stderr).toBe("");
});

test.each([
  ["a variable that is not set", { ZT_GRANTS_FILE: "" }, /^payment: ZT_GRANTS_FILE .*it is not set\.\n$/u],
  ["a wrong address", { ZT_ISSUER_ADDRESS: "issuer" }, /^payment: ZT_ISSUER_ADDRESS must be a host and a port.*\n$/u],
  [
    "a Valkey without a password",
    { ZT_VALKEY_URL: "rediss://payment@127.0.0.1:1" },
    /^payment: ZT_VALKEY_PASSWORD_FILE must have a value, since ZT_VALKEY_URL has one; it is not set\.\n$/u,
  ],
  ["a missing certificate", { ZT_TLS_DIR: "/nowhere" }, /^payment: \/nowhere\/tls\.crt does not exist.*\n$/u],
  ["a missing file of keys", { ZT_API_KEYS_FILE: "/nowhere" }, /^payment: The file \/nowhere cannot be read.*\n$/u],
  [
    "a database nowhere",
    { ZT_DATABASE_FILE: "/nowhere/a.db" },
    /^payment: The database \/nowhere\/a\.db cannot be.*\n$/u,
  ],
])("%s is one sentence and exit code 1", async (_, changes, sentence) => {
  const { output } = start(changes);
  expect(await output.ended).toBe(1);
  expect(output.stderr).toMatch(sentence);
  expect(output.stdout).toBe("");
});

test("a database of a newer schema is one sentence and exit code 1, and stays as it was", async () => {
  const file = environment["ZT_DATABASE_FILE"] ?? "";
  const newer = await openDatabase({
    file,
    migrations: { ...migrations, "9999_later": { up: async () => undefined } },
  });
  await newer.destroy();
  const before = readFileSync(file);
  const { output } = start();
  expect(await output.ended).toBe(1);
  expect(output.stderr).toMatch(
    /^payment: The database \S+ has the schema "9999_later", which this version does not know.*\n$/u,
  );
  expect(readFileSync(file).equals(before)).toBe(true);
});
