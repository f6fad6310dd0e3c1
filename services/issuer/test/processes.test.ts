// Two issuers as processes, on one PostgreSQL over mutual TLS: as they are deployed.
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCa, type TestCa } from "@zero-trust/testkit";
import { type PostgresServer, startPostgres } from "@zero-trust/testkit/servers";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Asking, ask } from "./ask.ts";
import { type IssuerProcess, issuerFolder, portOf, startProcess } from "./issuer-process.ts";
import { askForToken, askToRevoke, denylist, tokenIn } from "./requests.ts";

let ca: TestCa;
let server: PostgresServer;
let folder: string;
let environment: Record<string, string | undefined>;
let running: IssuerProcess[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "issuer-processes-"));
  ca = await createCa();
  server = await startPostgres({ tls: await ca.issue({ spiffeId: "spiffe://production.internal/postgres" }) });
  writeFileSync(join(folder, "password"), `${server.password}\n`, { mode: 0o600 });
  environment = {
    ...(await issuerFolder(folder, ca)),
    ZT_DATABASE_FILE: undefined,
    ZT_DATABASE_URL: `postgres://${server.user}@${server.host}:${server.port}/${server.database}`,
    ZT_DATABASE_PASSWORD_FILE: join(folder, "password"),
  };
});
afterEach(() => {
  for (const { child } of running) child.kill("SIGKILL");
  running = [];
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

async function start(): Promise<{ readonly process: IssuerProcess; readonly asking: Asking }> {
  const issuer = startProcess(environment);
  running.push(issuer);
  const port = await portOf(issuer);
  const workload = (name: string) => ca.issue({ spiffeId: `spiffe://production.internal/${name}` });
  const asking = {
    storefront: await workload("storefront"),
    orderService: await workload("order-service"),
    ask: (request: Parameters<Asking["ask"]>[0]) => ask({ port, ca: ca.ca, ...request }),
  };
  return { process: issuer, asking };
}

test("start at once on an empty database, know what the other revokes, and go on when one is killed", {
  timeout: 120_000,
}, async () => {
  const [a, b] = await Promise.all([start(), start()]);
  const [one, other] = [tokenIn(await askForToken(a.asking)), tokenIn(await askForToken(b.asking))];
  expect((await askToRevoke(a.asking, one.token)).status).toBe(200);
  // Each takes back what the other has issued.
  expect((await askToRevoke(a.asking, other.token)).status).toBe(200);
  const closed = once(a.process.child, "close");
  a.process.child.kill("SIGKILL");
  await closed;
  const revoked = async (asking: Asking) => (await denylist(asking)).tokens.map(({ jti }) => jti).toSorted();
  const both = [one.jti, other.jti].toSorted();
  await expect.poll(() => revoked(b.asking), { timeout: 1_500 }).toEqual(both);
  expect((await askForToken(b.asking)).status).toBe(200);
  const again = await start();
  expect(await revoked(again.asking)).toEqual(both);
  expect((await askForToken(again.asking)).status).toBe(200);
});

test("says in one sentence that the database is not the one that is meant", { timeout: 120_000 }, async () => {
  const stranger = await ca.issue({ spiffeId: "spiffe://production.internal/storefront" });
  await using strange = await startPostgres({ tls: stranger });
  const url = `postgres://${strange.user}@${strange.host}:${strange.port}/${strange.database}`;
  const issuer = startProcess({ ...environment, ZT_DATABASE_URL: url });
  running.push(issuer);
  expect(await issuer.ended).toBe(1);
  expect(issuer.stderr).toMatch(/^issuer: [^\n]*storefront, not spiffe:\/\/production\.internal\/postgres[^\n]*\n$/u);
});
