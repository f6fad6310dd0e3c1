import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { type Deployment, writeDeployment } from "@zero-trust/infra/deployment";
import { newStackFolder, paymentEnvironment } from "@zero-trust/infra/stack";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const main = fileURLToPath(new URL("../../services/payment/src/main.ts", import.meta.url));
const folder = newStackFolder("start-up");
let deployment: Deployment;
beforeAll(async () => {
  mkdirSync(folder, { recursive: true });
  deployment = await writeDeployment(folder);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Starts payment with a changed environment; says how it ended. */
async function start(changes: Readonly<Record<string, string>>) {
  const env = { PATH: process.env["PATH"], ...paymentEnvironment(deployment, "127.0.0.1:1"), ...changes };
  const child = spawn(process.execPath, ["--conditions=source", main], { env, stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (text: Buffer) => {
    said += text.toString();
  });
  const [code] = (await once(child, "close")) as [number];
  return { code, said };
}

function badTls(name: string, change: (path: string) => void): string {
  const path = join(folder, name);
  cpSync(deployment.tlsFolder("payment-service"), path, { recursive: true });
  change(path);
  return path;
}

describe("payment does not start, and says why in one sentence, with", () => {
  const cases: [string, () => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>, RegExp][] =
    [
      ["no certificate", () => ({ ZT_TLS_DIR: badTls("no-crt", (path) => rmSync(join(path, "tls.crt"))) }), /tls\.crt/],
      [
        "a key that does not match",
        () => ({
          ZT_TLS_DIR: badTls("mismatch", (path) =>
            copyFileSync(join(deployment.tlsFolder("storefront"), "tls.key"), join(path, "tls.key")),
          ),
        }),
        /tls\.key/,
      ],
      ["a variable that is no port", () => ({ ZT_PORT: "many" }), /ZT_PORT must be a whole number/],
      [
        "a grants file that is none",
        () => ({ ZT_GRANTS_FILE: write("grants.json", '{"grants":[{"scope":[]}]}') }),
        /grants\.json/,
      ],
      ["grants that are not there", () => ({ ZT_GRANTS_FILE: join(folder, "none.json") }), /none\.json cannot be read/],
      [
        "signing keys that others can read",
        () => ({ ZT_SIGNING_KEYS_FILE: write("open.json", "{}", 0o644) }),
        /open\.json.*chmod 600/,
      ],
      ["a database of a newer schema", () => ({ ZT_DATABASE_FILE: newerDatabase() }), /newer/],
      ["a port in use", async () => ({ ZT_PORT: String(await takenPort()) }), /already in use/],
    ];
  test.each(cases)("%s", async (_name, changes, message) => {
    const { code, said } = await start(await changes());
    expect(said).toMatch(message);
    expect(said.trim().split("\n")).toHaveLength(1);
    expect(said).not.toMatch(/\n\s+at |PRIVATE KEY/);
    expect(code).toBe(1);
  });
});

function write(name: string, content: string, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, content, { mode });
  return path;
}

function newerDatabase(): string {
  const path = join(folder, "newer.sqlite");
  const database = new DatabaseSync(path);
  database.exec(
    "CREATE TABLE kysely_migration (name TEXT PRIMARY KEY, timestamp TEXT); INSERT INTO kysely_migration VALUES ('9999_future', '2026-01-01')",
  );
  database.close();
  return path;
}

const blockers: ReturnType<typeof createServer>[] = [];
afterAll(() => {
  for (const blocker of blockers) blocker.close();
});
async function takenPort(): Promise<number> {
  const blocker = createServer();
  blockers.push(blocker);
  blocker.listen(0, "127.0.0.1");
  await once(blocker, "listening");
  return (blocker.address() as AddressInfo).port;
}
