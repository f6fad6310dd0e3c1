import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCa, type TestCa } from "@zero-trust/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { clientsDocument, newSigningKey, orders } from "../test/start-issuer.ts";

let directory: string;
let ca: TestCa;
let environment: Record<string, string>;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "issuer-main-"));
  ca = await createCa();
  const identity = await ca.issue({ spiffeId: "spiffe://production.internal/issuer" });
  const write = (name: string, content: string) => {
    writeFileSync(join(directory, name), content, { mode: 0o600 });
    return join(directory, name);
  };
  write("tls.crt", identity.cert);
  write("tls.key", identity.key);
  write("ca.crt", identity.ca);
  environment = {
    ZT_PORT: "0",
    ZT_TLS_DIR: directory,
    ZT_CLIENTS_FILE: write("clients.json", JSON.stringify(clientsDocument("secret"))),
    ZT_SIGNING_JWKS_FILE: write("signing.jwks.json", JSON.stringify({ keys: [await newSigningKey("now")] })),
  };
});
afterAll(() => rmSync(directory, { recursive: true }));

interface Issuer {
  readonly child: ChildProcess;
  stdout: string;
  stderr: string;
  readonly ended: Promise<number | null>;
}

function start(changes: Record<string, string | undefined> = {}): Issuer {
  const child = spawn(process.execPath, ["--conditions=source", join(import.meta.dirname, "main.ts")], {
    env: Object.fromEntries(
      Object.entries({ PATH: process.env["PATH"], ...environment, ...changes }).filter(
        ([, value]) => value !== undefined,
      ),
    ),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const issuer: Issuer = {
    child,
    stdout: "",
    stderr: "",
    ended: once(child, "close").then(([code]) => code as number | null),
  };
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    issuer.stdout += chunk;
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    issuer.stderr += chunk;
  });
  return issuer;
}

const records = ({ stdout }: Issuer) =>
  stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

test("listens, issues, closes on SIGTERM, and writes nothing but records of its own", async () => {
  const issuer = start();
  try {
    await expect.poll(() => issuer.stdout, { timeout: 10_000 }).toContain("\n");
    const [listening] = records(issuer);
    expect(listening).toMatchObject({
      msg: "listening",
      port: expect.any(Number) as number,
      spiffeId: "spiffe://production.internal/issuer",
    });
    const workload = await ca.issue({ spiffeId: "spiffe://production.internal/storefront" });
    const body = new URLSearchParams({
      grant_type: "client_credentials",
      client_id: "storefront",
      resource: orders,
      scope: "read:orders",
    });
    const status = await new Promise((resolve, reject) => {
      const post = request(
        {
          ...workload,
          host: "127.0.0.1",
          port: Number(listening?.["port"]),
          servername: "issuer.production.internal",
          agent: false,
          method: "POST",
          path: "/oauth/token",
          headers: { host: "issuer.production.internal", "content-type": "application/x-www-form-urlencoded" },
        },
        (response) => resolve(response.resume().statusCode),
      );
      post.on("error", reject);
      post.end(body.toString());
    });
    expect(status).toBe(200);
    issuer.child.kill("SIGTERM");
    expect(await issuer.ended).toBe(0);
    expect(issuer.stderr).toBe("");
    expect(records(issuer).map(({ msg }) => msg)).toEqual(["listening", "token request", "closing", "closed"]);
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

test("says in one sentence what is missing", async () => {
  expect(await refusal({ ZT_CLIENTS_FILE: undefined })).toBe(
    "issuer: ZT_CLIENTS_FILE must have a value; it is not set.\n",
  );
  expect(await refusal({ ZT_SIGNING_JWKS_FILE: "/nowhere" })).toBe(
    "issuer: The signing keys file /nowhere does not exist; name another with ZT_SIGNING_JWKS_FILE.\n",
  );
  expect(await refusal({ ZT_TLS_DIR: "/nowhere" })).toMatch(/^issuer: [^\n]*\/nowhere\/[^\n]*\.\n$/u);
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
