import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseGrants } from "@zero-trust/auth/server";
import type { TlsMaterial } from "@zero-trust/mtls";
import { createCa } from "@zero-trust/testkit";
import { beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { createTrustDomain, type PingServing, servePing, type TrustDomain } from "../test/ping-serving.ts";
import { probeHealth } from "./probe-health.ts";
import { probeLife } from "./probe-life.ts";
import type { ServeOptions } from "./serve.ts";

let domain: TrustDomain;
beforeAll(async () => {
  domain = await createTrustDomain();
});

const itself = { spiffeId: "spiffe://production.internal/ping", client: "ping", scopes: [] };

async function start(options: Partial<ServeOptions> = {}): Promise<PingServing> {
  const grants = { current: () => parseGrants({ grants: [itself] }) };
  const protect = { trustDomain: "production.internal", grants, credentials: [] };
  const serving = await servePing(domain, { protect, ...options });
  onTestFinished(async () => await serving[Symbol.asyncDispose]());
  return serving;
}

function environmentOf({ port }: { readonly port: number }, { cert, key, ca }: TlsMaterial = domain.server) {
  const folder = mkdtempSync(join(tmpdir(), "probe-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const files = { "tls.crt": cert, "tls.key": key, "ca.crt": ca };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content, { mode: 0o600 });
  return { ZT_PORT: String(port), ZT_TLS_DIR: folder };
}

test("a server that is not ready lives, and leaves neither a decision nor a refused handshake of it in its log", async () => {
  const serving = await start({ readiness: { database: () => false } });
  const environment = environmentOf(serving);
  await expect(probeHealth(environment)).rejects.toThrow("NOT_SERVING");
  const asked = serving.records("decision").length;
  await probeLife(environment);
  await expect(probeHealth(environment)).rejects.toThrow("NOT_SERVING");
  expect(serving.records("decision")).toHaveLength(asked + 1);
  expect(serving.records("connection")).toEqual([]);
});

test("a server lives whose files on the disk are another CA's, or nobody's", async () => {
  const serving = await start();
  const foreign = await (await createCa()).issue({ spiffeId: itself.spiffeId });
  await probeLife(environmentOf(serving, foreign));
  await probeLife({ ...environmentOf(serving), ZT_TLS_DIR: "/nowhere" });
  await vi.waitFor(() => expect(serving.records("connection")).toHaveLength(2));
});

test("a process does not live that listens and answers nothing, as one whose event loop stands still", async () => {
  const silent = createServer().listen(0, "127.0.0.1");
  await once(silent, "listening");
  onTestFinished(() => void silent.close());
  const environment = environmentOf(silent.address() as { port: number });
  await expect(probeLife(environment, 200)).rejects.toThrow("does not answer: no answer within 200 ms.");
});

test("a process does not live that has stopped", async () => {
  const serving = await start();
  const environment = environmentOf(serving);
  await serving.close();
  await expect(probeLife(environment)).rejects.toThrow("ECONNREFUSED");
});

test.each([
  ["lives", async () => environmentOf(await start()), { code: 0, said: /^$/u }],
  [
    "is not there",
    async () => environmentOf({ port: 1 }),
    { code: 1, said: /^life: 127\.0\.0\.1:1 does not answer: [^\n]+\n$/u },
  ],
] as const)(
  "as a program it says so by its exit code of a service that %s",
  async (_what, environment, { code, said }) => {
    const program = ["--conditions=source", join(import.meta.dirname, "probe-life.ts")];
    const child = spawn(process.execPath, program, { env: await environment(), stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text) => (output += text));
    expect(await once(child, "close")).toEqual([code, null]);
    expect(output).toMatch(said);
  },
);
