import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseGrants } from "@zero-trust/auth/server";
import { identityFromMemory, mutualTlsHttpsServer, type TlsMaterial } from "@zero-trust/mtls";
import { createCa } from "@zero-trust/testkit";
import { beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { createTrustDomain, type PingServing, servePing, type TrustDomain } from "../test/ping-serving.ts";
import { probeHealth } from "./probe-health.ts";
import type { ServeOptions } from "./serve.ts";

let domain: TrustDomain;
beforeAll(async () => {
  domain = await createTrustDomain();
});

const trustDomain = "production.internal";
const itself = { spiffeId: `spiffe://${trustDomain}/ping`, client: "ping", scopes: [] };

/** A server that lets its own workload ask it. */
async function start(options: Partial<ServeOptions> = {}): Promise<PingServing> {
  const grants = { current: () => parseGrants({ grants: [itself] }) };
  const serving = await servePing(domain, { protect: { trustDomain, grants, credentials: [] }, ...options });
  onTestFinished(async () => await serving[Symbol.asyncDispose]());
  return serving;
}

/** The environment of a service with this certificate. */
function environmentOf({ port }: { readonly port: number }, { cert, key, ca }: TlsMaterial = domain.server) {
  const folder = mkdtempSync(join(tmpdir(), "probe-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const files = { "tls.crt": cert, "tls.key": key, "ca.crt": ca };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content, { mode: 0o600 });
  return { ZT_PORT: String(port), ZT_TLS_DIR: folder };
}

/** Runs the program, as a container engine does. */
async function run(environment: Readonly<Record<string, string>>) {
  const program = ["--conditions=source", join(import.meta.dirname, "probe-health.ts")];
  const child = spawn(process.execPath, program, { env: environment, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (said += text));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, said };
}

describe("by gRPC", () => {
  test("is content with a server that serves, with one decision on the server's record and no refused handshake", async () => {
    const serving = await start();
    await probeHealth(environmentOf(serving));
    expect(serving.records("decision")).toMatchObject([
      { method: "/grpc.health.v1.Health/Check", outcome: "allowed", peer: itself.spiffeId },
    ]);
    expect(serving.records("connection")).toEqual([]);
  });

  test("reaches a server that listens on every address", async () => {
    const serving = await start({ host: "0.0.0.0" });
    await probeHealth({ ...environmentOf(serving), ZT_HOST: "0.0.0.0" });
    expect(serving.records("decision")).toHaveLength(1);
  });

  test("is not content while the server is not ready, and is once it is", async () => {
    let ready = false;
    const environment = environmentOf(await start({ readiness: { keys: () => ready } }));
    await expect(probeHealth(environment)).rejects.toThrow(
      `${itself.spiffeId} at 127.0.0.1:${environment.ZT_PORT} does not serve: the answer is NOT_SERVING.`,
    );
    ready = true;
    await vi.waitFor(() => probeHealth(environment), { timeout: 5_000 });
  });

  test("is not content with a server that has stopped", async () => {
    const serving = await start();
    const environment = environmentOf(serving);
    await serving.close();
    await expect(probeHealth(environment)).rejects.toThrow("ECONNREFUSED");
  });

  test("is not content where nothing grants the server to call itself", async () => {
    const serving = await start({ protect: { trustDomain, grants: { current: () => new Map() }, credentials: [] } });
    await expect(probeHealth(environmentOf(serving))).rejects.toThrow("PERMISSION_DENIED, as nothing grants it");
  });

  test("is not content with another workload's answer, and asks it nothing", async () => {
    const serving = await start();
    const environment = environmentOf(serving, domain.caller);
    await expect(probeHealth(environment)).rejects.toThrow(
      `The server is ${itself.spiffeId}, not spiffe://${trustDomain}/caller.`,
    );
    expect(serving.records("decision")).toEqual([]);
  });

  test("is not content with a certificate of another CA, on either side", async () => {
    const serving = await start();
    const foreign = await (await createCa()).issue({ spiffeId: itself.spiffeId });
    await expect(probeHealth(environmentOf(serving, foreign))).rejects.toThrow("does not serve: ");
    // It trusts the server and is not trusted by it.
    const trusting = { ...foreign, ca: foreign.ca + domain.ca.ca };
    await expect(probeHealth(environmentOf(serving, trusting))).rejects.toThrow("does not serve: ");
    expect(serving.records("decision")).toEqual([]);
    await probeHealth(environmentOf(serving));
  });

  test("gives up a server that takes the connection and says nothing", async () => {
    const silent = createServer().listen(0, "127.0.0.1");
    await once(silent, "listening");
    onTestFinished(() => void silent.close());
    const environment = environmentOf(silent.address() as { port: number });
    await expect(probeHealth(environment, 200)).rejects.toThrow("does not serve: no answer within 200 ms.");
  });

  test("gives up a server that takes the question and says nothing", async () => {
    const hanging = { current: () => parseGrants({ grants: [itself] }) };
    const decisions = () => new Promise<void>(() => undefined);
    const protect = { trustDomain, grants: hanging, credentials: [] };
    const environment = environmentOf(await start({ protect, decisions }));
    await expect(probeHealth(environment, 200)).rejects.toThrow("does not serve: no answer within 200 ms.");
  });
});

describe("by HTTPS", () => {
  /** What the probe says of a server that answers with this status. */
  async function verdict(status: number): Promise<string> {
    const asked: unknown[] = [];
    const server = mutualTlsHttpsServer({ identity: identityFromMemory(domain.server) }, (request, response) => {
      asked.push(request.method, request.url);
      response.writeHead(status).end();
    }).listen(0, "127.0.0.1");
    onTestFinished(() => {
      server.close().closeAllConnections();
    });
    await once(server, "listening");
    const environment = environmentOf(server.address() as { port: number });
    const said = await probeHealth(environment).then(
      () => "serves",
      (error: unknown) => (error as Error).message,
    );
    expect(asked).toEqual(["GET", "/healthz"]);
    return said;
  }

  test("is content with 204", async () => {
    expect(await verdict(204)).toBe("serves");
  });

  test.each([503, 401, 302])("is not content with %i", async (status) => {
    expect(await verdict(status)).toContain(`does not serve: the answer is the HTTP status ${status}.`);
  });
});

describe("as a program", () => {
  test("exits with 0 and says nothing when the service serves", async () => {
    expect(await run(environmentOf(await start()))).toEqual({ code: 0, said: "" });
  });

  test.each([
    ["a port that is not set", { ZT_PORT: "" }, /^health: ZT_PORT must be [^\n]+\n$/u],
    ["a port that nobody can ask", { ZT_PORT: "0" }, /^health: ZT_PORT must be the port [^\n]+\n$/u],
    ["files that are not there", { ZT_TLS_DIR: "/nowhere" }, /^health: [^\n]*\/nowhere[^\n]+\n$/u],
    ["nobody there", { ZT_PORT: "1" }, /^health: [^\n]+ECONNREFUSED[^\n]+\n$/u],
  ])("exits with 1 and one sentence with %s", async (_what, changes, sentence) => {
    const { code, said } = await run({ ...environmentOf({ port: 1 }), ...changes });
    expect({ code, said }).toEqual({ code: 1, said: expect.stringMatching(sentence) as string });
  });
});
