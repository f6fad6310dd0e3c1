// Several issuers on one database: what one has said holds at the others, and none of them signs with what another lacks.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDatabase } from "@zero-trust/database/test/databases";
import { createCa, type TestCa } from "@zero-trust/testkit";
import { type PostgresServer, startPostgres } from "@zero-trust/testkit/servers";
import { decodeProtectedHeader, exportJWK, generateKeyPair, SignJWT } from "jose";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { askForToken, askToRevoke, denylist, tokenIn } from "./requests.ts";
import { clientsDocument, issuer, newSigningKey, type StartedIssuer, startIssuer } from "./start-issuer.ts";

const LEAD_MS = 60_000;
/** Of what one says, the others hear in the next round. */
const ROUND_MS = 5_000;
/** A replica that says nothing for so long is gone. */
const GONE_MS = 10_000;

let server: PostgresServer;
let ca: TestCa;
let folders: string[];
let running: StartedIssuer[];
let nowMs: number;
let database: Awaited<ReturnType<typeof createDatabase>>;
let made = 0;

beforeAll(async () => {
  server = await startPostgres();
  ca = await createCa();
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(async () => {
  made += 1;
  database = await createDatabase(server, `replicas_${made}`);
  nowMs = Date.now();
  folders = [];
  running = [];
});
afterEach(async () => {
  for (const each of running) await each[Symbol.asyncDispose]();
  for (const folder of folders) rmSync(folder, { recursive: true });
});

/** A replica with files of its own. */
async function start(keys?: readonly Record<string, unknown>[], now = () => nowMs): Promise<StartedIssuer> {
  const folder = mkdtempSync(join(tmpdir(), "replica-"));
  folders.push(folder);
  const started = await startIssuer({
    folder,
    ca,
    database,
    now,
    monotonicMs: () => nowMs,
    refreshMs: GONE_MS / 5,
    ...(keys === undefined ? {} : { keys }),
  });
  running.push(started);
  return started;
}

async function stop(replica: StartedIssuer): Promise<void> {
  running = running.filter((each) => each !== replica);
  await replica[Symbol.asyncDispose]();
}

/** Time goes by, and each has its rounds. */
async function pass(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= ROUND_MS) {
    nowMs += Math.min(left, ROUND_MS);
    for (const replica of running) await replica.refresh();
  }
}

async function signer(replica: StartedIssuer): Promise<string | undefined> {
  return decodeProtectedHeader(tokenIn(await askForToken(replica)).token).kid;
}

const signers = () => Promise.all(running.map(signer));

async function published(replica: StartedIssuer): Promise<readonly string[]> {
  const { body } = await replica.ask({ as: replica.storefront, method: "GET", path: "/.well-known/jwks.json" });
  return (body["keys"] as { kid: string }[]).map(({ kid }) => kid);
}

const { clients } = clientsDocument("secret");
const withoutStorefront = { clients: clients.filter(({ clientId }) => clientId !== "storefront") };
const withNewcomer = {
  clients: [...clients, { ...clients[0], clientId: "newcomer", spiffeId: "spiffe://production.internal/newcomer" }],
};

describe("a token that one revokes", () => {
  test("is on the list of the others within a second", async () => {
    const key = await newSigningKey("now");
    const [a, b] = [await start([key]), await start([key])];
    const { token, jti, exp } = tokenIn(await askForToken(a));
    expect((await denylist(b)).tokens).toEqual([]);
    expect((await askToRevoke(a, token)).status).toBe(200);
    nowMs += 1_000;
    expect((await denylist(b)).tokens).toEqual([{ jti, exp }]);
    // Each takes back what the other gave out.
    const second = tokenIn(await askForToken(b));
    expect((await askToRevoke(a, second.token)).status).toBe(200);
    expect((await denylist(a)).tokens).toHaveLength(2);
  });

  test("stays on every list though the clock of one is ahead", async () => {
    const key = await newSigningKey("now");
    const [a, b] = [await start([key]), await start([key], () => nowMs + 3_600_000)];
    const { token, jti } = tokenIn(await askForToken(a));
    await askToRevoke(a, token);
    await pass(2 * ROUND_MS);
    for (const replica of [a, b]) expect((await denylist(replica)).tokens).toMatchObject([{ jti }]);
    nowMs += 400_000;
    await pass(2 * ROUND_MS);
    for (const replica of [a, b]) expect((await denylist(replica)).tokens).toEqual([]);
  });
});

test("of all that show one assertion to several, one gets a token", async () => {
  const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), kid: "client", alg: "ES256" };
  const partner = { ...clients.find(({ clientId }) => clientId === "partner") };
  delete partner["secrets"];
  const document = { clients: [{ ...partner, authentication: "private_key_jwt", keys: [{ jwk }] }] };
  const [a, b] = [await start(), await start()];
  for (const replica of running) await replica.change("clients", document);
  const now = Math.floor(nowMs / 1000);
  const assertion = (jti: string) =>
    new SignJWT({ iss: "partner", sub: "partner", aud: issuer, jti, exp: now + 60 })
      .setProtectedHeader({ alg: "ES256", kid: "client" })
      .sign(privateKey);
  const show = async (replica: StartedIssuer, text: string) => {
    const fields = {
      client_id: undefined,
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      client_assertion: text,
    };
    return (await askForToken(replica, fields, { as: replica.partner })).status;
  };
  const once = await assertion("once");
  expect([await show(a, once), await show(b, once)]).toEqual([200, 401]);
  for (let turn = 0; turn < 5; turn += 1) {
    const text = await assertion(`turn-${turn}`);
    const answers = await Promise.all(Array.from({ length: 8 }, (_, at) => show(at % 2 === 0 ? a : b, text)));
    expect(answers.toSorted((one, other) => one - other)).toEqual([200, ...Array.from({ length: 7 }, () => 401)]);
  }
});

describe("a key", () => {
  let old: Record<string, unknown>;
  let next: Record<string, unknown>;
  beforeEach(async () => {
    [old, next] = [await newSigningKey("old"), await newSigningKey("next")];
  });

  test("signs nowhere before all have published it for the lead, and then everywhere", async () => {
    const [a, b, c] = [await start([old]), await start([old]), await start([old])];
    await pass(LEAD_MS);
    await a.change("keys", { keys: [old, next] });
    await pass(LEAD_MS);
    await b.change("keys", { keys: [old, next] });
    await pass(LEAD_MS);
    expect(await signers()).toEqual(["old", "old", "old"]);
    await c.change("keys", { keys: [old, next] });
    const sinceMs = nowMs;
    expect(await Promise.all(running.map(published))).toEqual(running.map(() => ["old", "next"]));
    let first: number | undefined;
    while (nowMs - sinceMs < 2 * LEAD_MS) {
      await pass(ROUND_MS);
      if ((await signers()).includes("next")) first ??= nowMs;
    }
    expect((first ?? 0) - sinceMs).toBeGreaterThanOrEqual(LEAD_MS);
    expect((first ?? 0) - sinceMs).toBeLessThanOrEqual(LEAD_MS + 2 * ROUND_MS);
    expect(await signers()).toEqual(["next", "next", "next"]);
  });

  test("that one has withdrawn signs nowhere any more, and is published by those that have it", async () => {
    const [a, b] = [await start([old, next]), await start([old, next])];
    await pass(LEAD_MS + ROUND_MS);
    expect(await signers()).toEqual(["next", "next"]);
    await a.change("keys", { keys: [old] });
    await b.refresh();
    expect(await signers()).toEqual(["old", "old"]);
    expect([await published(a), await published(b)]).toEqual([["old"], ["old", "next"]]);
    await b.change("keys", { keys: [old] });
    await a.change("keys", { keys: [old, next] });
    await b.change("keys", { keys: [old, next] });
    await pass(LEAD_MS - ROUND_MS);
    expect(await signers()).toEqual(["old", "old"]);
    await pass(2 * ROUND_MS);
    expect(await signers()).toEqual(["next", "next"]);
  });

  test("goes on signing while replicas come and go that have it", async () => {
    const a = await start([old, next]);
    await pass(LEAD_MS + ROUND_MS);
    const b = await start([old, next]);
    expect(await signers()).toEqual(["next", "next"]);
    await pass(ROUND_MS);
    await stop(a);
    expect(await signer(b)).toBe("next");
    await start([old, next]);
    await pass(ROUND_MS);
    expect(await signers()).toEqual(["next", "next"]);
  });

  test("waits for one that was killed no longer than until it is known to be gone", async () => {
    const [a, b] = [await start([old]), await start([old])];
    await pass(LEAD_MS + ROUND_MS);
    await a.change("keys", { keys: [old, next] });
    await pass(LEAD_MS - ROUND_MS);
    // It has no rounds any more, and says no goodbye.
    running = running.filter((each) => each !== b);
    await b.db.destroy();
    await pass(LEAD_MS - ROUND_MS);
    expect(await signer(a)).toBe("old");
    await pass(GONE_MS + ROUND_MS);
    expect(await signer(a)).toBe("next");
    running.push(b);
  });
});

describe("a client", () => {
  test("that is gone in the file of one has lost its tokens, and the file of another that is late gives none back", async () => {
    const [a, b] = [await start(), await start()];
    tokenIn(await askForToken(b));
    await a.change("clients", withoutStorefront);
    nowMs += 1_000;
    expect((await denylist(b)).clients).toEqual([{ client_id: "storefront", before: expect.any(Number) as number }]);
    // What the late one gives out ends when it is late no more.
    const late = tokenIn(await askForToken(b));
    await pass(3 * ROUND_MS);
    await b.change("clients", withoutStorefront);
    nowMs += 1_000;
    for (const replica of running) {
      const [{ before: until } = { before: 0 }] = (await denylist(replica)).clients;
      expect(until).toBeGreaterThanOrEqual(late.iat);
    }
    expect((await askForToken(b)).status).toBe(401);
  });

  test("that is new keeps its tokens though another replica has not heard of it, also after a roll", async () => {
    const [a, b] = [await start(), await start()];
    await a.change("clients", withNewcomer);
    await pass(5 * ROUND_MS);
    await stop(b);
    await pass(ROUND_MS);
    const c = await start();
    await pass(2 * ROUND_MS);
    await c.change("clients", withNewcomer);
    await pass(2 * ROUND_MS);
    for (const replica of [a, c]) expect((await denylist(replica)).clients).toEqual([]);
  });

  test("that went while replicas were replaced has lost its tokens when the last that knew it is gone", async () => {
    const [a, b] = [await start(), await start()];
    await a.change("clients", withNewcomer);
    await b.change("clients", withNewcomer);
    const c = await start();
    await stop(a);
    await pass(ROUND_MS);
    expect((await denylist(c)).clients).toEqual([]);
    await stop(b);
    await pass(ROUND_MS);
    expect((await denylist(c)).clients).toEqual([{ client_id: "newcomer", before: expect.any(Number) as number }]);
  });
});
