import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCa, type TestCa } from "@zero-trust/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ask } from "../test/ask.ts";
import { issuerFolder, portOf, recordsOf, startProcess } from "../test/issuer-process.ts";
import { orders } from "../test/start-issuer.ts";

let directory: string;
let ca: TestCa;
let environment: Record<string, string>;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "issuer-main-"));
  ca = await createCa();
  environment = await issuerFolder(directory, ca);
});
afterAll(() => rmSync(directory, { recursive: true }));

const start = (changes: Record<string, string | undefined> = {}) => startProcess({ ...environment, ...changes });

test("listens, issues, closes on SIGTERM, and writes nothing but records of its own", async () => {
  const issuer = start();
  try {
    const port = await portOf(issuer);
    expect(recordsOf(issuer)).toMatchObject([
      { msg: "listening", port, spiffeId: "spiffe://production.internal/issuer" },
    ]);
    const workload = await ca.issue({ spiffeId: "spiffe://production.internal/storefront" });
    const body = new URLSearchParams({
      grant_type: "client_credentials",
      client_id: "storefront",
      resource: orders,
      scope: "read:orders",
    });
    expect((await ask({ port, ca: ca.ca, as: workload, body: body.toString() })).status).toBe(200);
    issuer.child.kill("SIGTERM");
    expect(await issuer.ended).toBe(0);
    expect(issuer.stderr).toBe("");
    expect(recordsOf(issuer).map(({ msg }) => msg)).toEqual(["listening", "token request", "closing", "closed"]);
  } finally {
    issuer.child.kill("SIGKILL");
  }
});

async function refusal(changes: Record<string, string | undefined>): Promise<string> {
  const issuer = start(changes);
  expect(await issuer.ended).toBe(1);
  expect(issuer.stdout).toBe("");
  return issuer.stderr;
}

test.each<[string, Record<string, string | undefined>, RegExp]>([
  ["a variable", { ZT_CLIENTS_FILE: undefined }, /^issuer: ZT_CLIENTS_FILE must have a value; it is not set\.\n$/u],
  [
    "a file",
    { ZT_SIGNING_JWKS_FILE: "/nowhere" },
    /^issuer: The signing keys file \/nowhere does not exist; name another with ZT_SIGNING_JWKS_FILE\.\n$/u,
  ],
  [
    "what the operator revokes",
    { ZT_REVOCATIONS_FILE: "/nowhere" },
    /^issuer: The revocations file \/nowhere does not exist; name another with ZT_REVOCATIONS_FILE\.\n$/u,
  ],
  [
    "the folder of the database",
    { ZT_DATABASE_FILE: "/nowhere/issuer.db" },
    /^issuer: The database \/nowhere\/issuer\.db cannot be opened[^\n]*\n$/u,
  ],
  ["a certificate", { ZT_TLS_DIR: "/nowhere" }, /^issuer: [^\n]*\/nowhere\/[^\n]*\.\n$/u],
])("says in one sentence that %s is missing", async (_, changes, sentence) => {
  expect(await refusal(changes)).toMatch(sentence);
});

test("says in one sentence that its port is in use", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as { port: number };
  try {
    expect(await refusal({ ZT_PORT: String(port) })).toBe(
      `issuer: Port 127.0.0.1:${port} is already in use; choose another with ZT_PORT.\n`,
    );
  } finally {
    other.close();
  }
});
