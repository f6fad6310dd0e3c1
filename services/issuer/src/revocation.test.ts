import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeJwt, importJWK, type JWTPayload, SignJWT } from "jose";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { askForToken, askToRevoke, basic, denylist, type Form, tokenIn } from "../test/requests.ts";
import { newSigningKey, type StartedIssuer, startIssuer } from "../test/start-issuer.ts";
import { isFile } from "../test/test-database.ts";

let folder: string;
let started: StartedIssuer;
let nowMs: number;
let signingKey: Record<string, unknown>;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "revocation-"));
  nowMs = Date.now();
  signingKey = await newSigningKey("now");
  started = await startIssuer({ folder, keys: [signingKey], now: () => nowMs });
});
afterEach(async () => {
  await started[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

async function restart(): Promise<void> {
  const { ca } = started;
  await started[Symbol.asyncDispose]();
  started = await startIssuer({ folder, ca, now: () => nowMs });
}

const records = () => started.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
const nothing = { tokens: [], clients: [] };
const seconds = () => Math.floor(nowMs / 1000);

const ago = (ms: number) => new Date(nowMs - ms).toISOString();

describe("a client revokes (B22)", () => {
  test("its token, which is on the list from then on, also after a restart, until it has ended everywhere", async () => {
    const { token, jti, exp } = tokenIn(await askForToken(started));
    expect(await denylist(started)).toEqual(nothing);
    started.lines.length = 0;
    const { status, body, headers } = await askToRevoke(started, token);
    expect({ status, body }).toEqual({ status: 200, body: { text: "" } });
    expect(headers["cache-control"]).toBe("no-store");
    expect(records()).toEqual([
      expect.objectContaining({
        log: "token",
        msg: "revocation request",
        outcome: "revoked",
        client: "storefront",
        tokenId: jti,
      }),
    ]);
    expect(started.lines.join("")).not.toContain(token);
    expect(await denylist(started)).toEqual({ tokens: [{ jti, exp }], clients: [] });
    await restart();
    expect(await denylist(started)).toEqual({ tokens: [{ jti, exp }], clients: [] });
    nowMs = (exp + 59) * 1000;
    await started.refresh();
    expect(await denylist(started)).toEqual({ tokens: [{ jti, exp }], clients: [] });
    nowMs = (exp + 60) * 1000;
    expect(await denylist(started)).toEqual(nothing);
    await started.refresh();
    expect(await started.db.selectFrom("revoked_tokens").selectAll().execute()).toEqual([]);
  });

  test("the same token again, which changes nothing", async () => {
    const { token } = tokenIn(await askForToken(started));
    expect((await askToRevoke(started, token)).status).toBe(200);
    expect((await askToRevoke(started, token)).status).toBe(200);
    expect((await denylist(started)).tokens).toHaveLength(1);
  });

  test("a token that an old key signed", async () => {
    const { token, jti } = tokenIn(await askForToken(started));
    await started.change("keys", { keys: [signingKey, await newSigningKey("next")] });
    nowMs += 60_000;
    await askToRevoke(started, token);
    expect((await denylist(started)).tokens).toMatchObject([{ jti }]);
  });

  test("with its secret, where it has one", async () => {
    const as = started.partner;
    const header = basic(started.partnerSecret);
    const { token, jti } = tokenIn(await askForToken(started, { client_id: undefined }, { as, ...header }));
    expect((await askToRevoke(started, token, { as }, { client_id: "partner" })).status).toBe(401);
    expect((await askToRevoke(started, token, { as, ...basic("wrong") }, { client_id: undefined })).status).toBe(401);
    expect(await denylist(started)).toEqual(nothing);
    expect((await askToRevoke(started, token, { as, ...header }, { client_id: undefined })).status).toBe(200);
    expect((await denylist(started)).tokens).toMatchObject([{ jti }]);
  });
});

describe("changes nothing, and says so as if it had (RFC 7009, section 2.2)", () => {
  async function signed(changes: JWTPayload & { typ?: string }, key = signingKey): Promise<string> {
    const { typ = "at+jwt", ...claims } = changes;
    const { token } = tokenIn(await askForToken(started));
    return await new SignJWT({ ...decodeJwt(token), ...claims })
      .setProtectedHeader({ alg: "ES256", typ, kid: "now" })
      .sign(await importJWK(key, "ES256"));
  }

  test.each<[string, () => Promise<string>]>([
    ["garbage", async () => "garbage"],
    ["garbage with dots", async () => "a.b.c"],
    ["a header without more", async () => `${Buffer.from('{"alg":"ES256","kid":"now"}').toString("base64url")}..`],
    ["an unsigned token", async () => tokenIn(await askForToken(started)).token.replace(/[^.]*$/u, "")],
    [
      "a token whose claims were changed",
      async () => {
        const [head, , signature] = tokenIn(await askForToken(started)).token.split(".");
        const claims = { jti: "other", client_id: "storefront", exp: 4_000_000_000 };
        return `${head}.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.${signature}`;
      },
    ],
    ["a token of another issuer's key under our kid", async () => await signed({}, await newSigningKey("now"))],
    ["what we signed for something else", async () => await signed({ typ: "logout+jwt" })],
  ])("for %s", async (_, make) => {
    const token = await make();
    started.lines.length = 0;
    expect(await askToRevoke(started, token)).toMatchObject({ status: 200, body: { text: "" } });
    expect(await denylist(started)).toEqual(nothing);
    expect(records()).toEqual([expect.objectContaining({ outcome: "ignored", client: "storefront" })]);
  });

  test("for another client's token, whoever it is told to be", async () => {
    const { token } = tokenIn(await askForToken(started));
    const as = started.orderService;
    expect((await askToRevoke(started, token, { as }, { client_id: "order-service" })).status).toBe(200);
    expect((await askToRevoke(started, token, { as }, { client_id: "storefront" })).status).toBe(401);
    expect(await denylist(started)).toEqual(nothing);
  });
});

test.each<[string, Form, number, string]>([
  ["without a token", { token: undefined }, 400, "invalid_request"],
  ["with two tokens", { token: ["a", "b"] }, 400, "invalid_request"],
  ["of nobody", { client_id: undefined }, 400, "invalid_request"],
  ["of an unknown client", { client_id: "nobody" }, 401, "invalid_client"],
])("refuses a revocation %s", async (_, changes, status, error) => {
  started.lines.length = 0;
  expect(await askToRevoke(started, "x", {}, changes)).toMatchObject({ status, body: { error } });
  expect(records()).toMatchObject([{ msg: "revocation request", outcome: "refused", error }]);
});

test("the operator's file revokes tokens and clients until they have ended, and is merged (B22)", async () => {
  const { token, jti, exp } = tokenIn(await askForToken(started));
  await askToRevoke(started, token);
  const tokens = [
    { jti: "stolen", expiresAt: ago(-100_000) },
    { jti: "ended", expiresAt: ago(100_000) },
  ];
  const clients = [
    { clientId: "partner", issuedBefore: ago(0) },
    { clientId: "order-service", issuedBefore: ago(1_000_000) },
  ];
  await started.change("revocations", { tokens, clients });
  const stolen = { jti: "stolen", exp: Math.ceil((nowMs + 100_000) / 1000) };
  const all = { tokens: [{ jti, exp }, stolen], clients: [{ client_id: "partner", before: seconds() }] };
  expect(await denylist(started)).toEqual(all);
  await started.change("revocations", { tokens: [{ jti: "a b" }], clients: [] });
  expect(await denylist(started)).toEqual(all);
  await started.change("revocations", nothing);
  expect(await denylist(started)).toEqual({ tokens: [{ jti, exp }], clients: [] });
});

test.runIf(isFile())(
  "without its database it is not healthy, revokes and issues nothing, and says nothing of what is revoked",
  async () => {
    const { token } = tokenIn(await askForToken(started));
    const status = async (path: string) => (await started.ask({ as: started.storefront, method: "GET", path })).status;
    expect(await status("/healthz")).toBe(204);
    renameSync(join(folder, "issuer.db"), join(folder, "away.db"));
    await started.refresh();
    expect(await status("/healthz")).toBe(503);
    expect(await status("/.well-known/revoked-tokens.json")).toBe(503);
    expect(await status("/.well-known/jwks.json")).toBe(200);
    expect(await askForToken(started)).toMatchObject({ status: 503, body: { error: "temporarily_unavailable" } });
    expect(await askToRevoke(started, token)).toMatchObject({
      status: 503,
      body: { error: "temporarily_unavailable" },
    });
    renameSync(join(folder, "away.db"), join(folder, "issuer.db"));
    await started.refresh();
    expect(await status("/healthz")).toBe(204);
    expect((await askToRevoke(started, token)).status).toBe(200);
  },
);

test.runIf(isFile())(
  "a revocation that went into a file that is no longer there is not said to be written down",
  async () => {
    const { token } = tokenIn(await askForToken(started));
    renameSync(join(folder, "issuer.db"), join(folder, "away.db"));
    expect(await askToRevoke(started, token)).toMatchObject({
      status: 503,
      body: { error: "temporarily_unavailable" },
    });
    renameSync(join(folder, "away.db"), join(folder, "issuer.db"));
    expect((await askToRevoke(started, token)).status).toBe(200);
  },
);

test("what was revoked is on the list again when a clock that was set forward is right again", async () => {
  const { ca } = started;
  await started[Symbol.asyncDispose]();
  let monotonicMs = 0;
  started = await startIssuer({ folder, ca, now: () => nowMs, monotonicMs: () => monotonicMs });
  const { token, jti, exp } = tokenIn(await askForToken(started));
  await askToRevoke(started, token);
  nowMs += 3_600_000;
  await started.refresh();
  expect(await denylist(started)).toEqual({ tokens: [{ jti, exp }], clients: [] });
  nowMs -= 3_600_000;
  await started.refresh();
  expect(await denylist(started)).toEqual({ tokens: [{ jti, exp }], clients: [] });
  [nowMs, monotonicMs] = [nowMs + 400_000, 400_000];
  await started.refresh();
  expect(await denylist(started)).toEqual(nothing);
});
