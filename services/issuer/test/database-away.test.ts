// The database ends, as in a crash, and comes back: nothing that was said is lost, and nobody has to do anything.
import { createDatabase } from "@zero-trust/database/test/databases";
import { createCa } from "@zero-trust/testkit";
import { type PostgresServer, startPostgres } from "@zero-trust/testkit/servers";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { askForToken, askToRevoke, denylist, tokenIn } from "./requests.ts";
import { newSigningKey, type StartedIssuer, startIssuer } from "./start-issuer.ts";

let server: PostgresServer;
let a: StartedIssuer;
let b: StartedIssuer;

beforeAll(async () => {
  server = await startPostgres();
  const [database, ca] = [await createDatabase(server, "away"), await createCa()];
  const shared = { database, ca, keys: [await newSigningKey("now")], refreshMs: 200 };
  [a, b] = [await startIssuer(shared), await startIssuer(shared)];
});
beforeEach(async () => {
  for (const issuer of [a, b]) {
    await vi.waitUntil(async () => (await status(issuer, "/healthz")) === 204, { timeout: 20_000 });
  }
});
afterAll(async () => {
  for (const issuer of [a, b]) await issuer[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const status = async (issuer: StartedIssuer, path: string) =>
  (await issuer.ask({ as: issuer.storefront, method: "GET", path })).status;

const away = { status: 503, body: { error: "temporarily_unavailable" } };

test("while it is away nothing is issued or revoked, and nobody is told that nothing is revoked; then all is as it was", async () => {
  const { token, jti } = tokenIn(await askForToken(a));
  const other = tokenIn(await askForToken(a));
  expect((await askToRevoke(a, token)).status).toBe(200);
  await server.stop("SIGQUIT");
  // At once, and not when upkeep has seen it.
  expect(await askToRevoke(b, other.token)).toMatchObject(away);
  for (const issuer of [a, b]) {
    await expect.poll(() => status(issuer, "/healthz"), { timeout: 20_000 }).toBe(503);
    expect(await askForToken(issuer)).toMatchObject(away);
    expect(await askToRevoke(issuer, other.token)).toMatchObject(away);
    expect(await status(issuer, "/.well-known/revoked-tokens.json")).toBe(503);
    expect(await status(issuer, "/.well-known/jwks.json")).toBe(200);
  }
  await server.start();
  for (const issuer of [a, b]) {
    await expect.poll(() => status(issuer, "/healthz"), { timeout: 20_000 }).toBe(204);
    expect((await denylist(issuer)).tokens).toMatchObject([{ jti }]);
    expect((await askForToken(issuer)).status).toBe(200);
  }
  expect((await askToRevoke(b, other.token)).status).toBe(200);
});

test("what was acknowledged while it was killed again and again is on the list of both", async () => {
  const acknowledged = new Set<string>();
  const refused = new Set<number>();
  let isOver = false;
  async function revokeAll(issuer: StartedIssuer): Promise<void> {
    while (!isOver) {
      const answer = await askForToken(issuer);
      if (answer.status !== 200) {
        refused.add(answer.status);
        continue;
      }
      const { token, jti } = tokenIn(answer);
      const { status: revoked } = await askToRevoke(issuer, token);
      if (revoked === 200) acknowledged.add(jti);
      else refused.add(revoked);
    }
  }
  const revoking = [a, b, a, b].map(revokeAll);
  for (let turn = 1; turn <= 3; turn += 1) {
    const before = acknowledged.size;
    await expect.poll(() => acknowledged.size, { timeout: 20_000 }).toBeGreaterThan(before + 10);
    await server.stop("SIGQUIT");
    await server.start();
  }
  const before = acknowledged.size;
  await expect.poll(() => acknowledged.size, { timeout: 20_000 }).toBeGreaterThan(before + 10);
  isOver = true;
  await Promise.all(revoking);
  // Whoever is refused is told to try again, and nothing else.
  expect([...refused]).toEqual([503]);
  for (const issuer of [a, b]) {
    await expect.poll(() => status(issuer, "/healthz"), { timeout: 20_000 }).toBe(204);
    const listed = new Set((await denylist(issuer)).tokens.map(({ jti }) => jti));
    expect([...acknowledged].filter((jti) => !listed.has(jti))).toEqual([]);
  }
});
