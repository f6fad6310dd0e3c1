import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCa, type TestCa } from "@zero-trust/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Asking, ask } from "./ask.ts";
import { type IssuerProcess, issuerFolder, portOf, startProcess } from "./issuer-process.ts";
import { askForToken, askToRevoke, denylist, tokenIn } from "./requests.ts";
import { clientsDocument, newSigningKey, writeIssuerFile } from "./start-issuer.ts";

let folder: string;
let ca: TestCa;
let environment: Record<string, string>;
let issuer: IssuerProcess | undefined;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "issuer-killed-"));
  ca = await createCa();
  environment = await issuerFolder(folder, ca);
});
afterEach(() => {
  issuer?.child.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

async function start(): Promise<Asking> {
  issuer = startProcess(environment);
  const port = await portOf(issuer);
  const workload = (name: string) => ca.issue({ spiffeId: `spiffe://production.internal/${name}` });
  return {
    storefront: await workload("storefront"),
    orderService: await workload("order-service"),
    ask: (request) => ask({ port, ca: ca.ca, ...request }),
  };
}

async function kill(): Promise<void> {
  if (issuer === undefined) return;
  const closed = once(issuer.child, "close");
  issuer.child.kill("SIGKILL");
  await closed;
}

test("killed right after it has said that a token or a client is revoked, it still knows", {
  timeout: 90_000,
}, async () => {
  let started = await start();
  const { token, jti, exp } = tokenIn(await askForToken(started));
  const revoking = askToRevoke(started, token);
  expect((await revoking).status).toBe(200);
  await kill();

  started = await start();
  expect(await denylist(started)).toEqual({ tokens: [{ jti, exp }], clients: [] });
  // It looks at its files by itself.
  const { clients } = clientsDocument("secret");
  writeIssuerFile(folder, "clients", { clients: clients.slice(1) });
  await expect.poll(async () => (await denylist(started)).clients, { timeout: 20_000 }).toHaveLength(1);
  const before = await denylist(started);
  expect(before).toMatchObject({ tokens: [{ jti }], clients: [{ client_id: "storefront" }] });
  await kill();

  started = await start();
  expect(await denylist(started)).toEqual(before);
  writeIssuerFile(folder, "keys", { keys: [await newSigningKey("other")] });
  const published = async () =>
    (await started.ask({ as: started.storefront, method: "GET", path: "/.well-known/jwks.json" })).body["keys"];
  await expect.poll(published, { timeout: 20_000 }).toMatchObject([{ kid: "other" }]);
});
