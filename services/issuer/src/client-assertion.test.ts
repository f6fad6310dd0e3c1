import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CryptoKey, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Answer, AskOptions } from "../test/ask.ts";
import { askForToken, askToRevoke, denylist, type Form, tokenIn } from "../test/requests.ts";
import { clientsDocument, issuer, type StartedIssuer, startIssuer } from "../test/start-issuer.ts";

interface Key {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: CryptoKey;
  readonly jwk: object;
}

let folder: string;
let started: StartedIssuer;
let first: Key;
let second: Key;
let expired: Key;
let stranger: Key;

async function newKey(kid: string, alg: "ES256" | "Ed25519"): Promise<Key> {
  const { privateKey, publicKey } = await generateKeyPair(alg);
  return { kid, alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg } };
}

/** The clients of the tests, with the partner authenticating by key. */
function document(keys: readonly object[]) {
  const { clients } = clientsDocument("unused");
  return {
    clients: clients.map(({ secrets, ...client }) =>
      client["clientId"] === "partner" ? { ...client, authentication: "private_key_jwt", keys } : client,
    ),
  };
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "assertion-"));
  first = await newKey("first", "ES256");
  second = await newKey("second", "Ed25519");
  expired = await newKey("expired", "ES256");
  stranger = await newKey("first", "ES256");
  started = await startIssuer({ folder });
  await started.change("clients", document([{ jwk: first.jwk }, { jwk: second.jwk }]));
});
beforeEach(() => {
  started.lines.length = 0;
});
afterAll(async () => {
  await started[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const now = () => Math.floor(Date.now() / 1000);

/** What is other than it should be. */
interface Changes {
  readonly key?: Key;
  readonly header?: Record<string, unknown>;
  readonly claims?: JWTPayload | Record<string, unknown>;
}

async function assertion({ key = first, header = {}, claims = {} }: Changes = {}): Promise<string> {
  const payload = { iss: "partner", sub: "partner", aud: issuer, jti: crypto.randomUUID(), exp: now() + 60, ...claims };
  return new SignJWT(payload).setProtectedHeader({ alg: key.alg, kid: key.kid, ...header }).sign(key.privateKey);
}

const credentials = (clientAssertion: string): Form => ({
  client_id: undefined,
  client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
  client_assertion: clientAssertion,
});

const show = (clientAssertion: string, changes: Form = {}, options: Partial<AskOptions> = {}): Promise<Answer> =>
  askForToken(started, { ...credentials(clientAssertion), ...changes }, { as: started.partner, ...options });

test.each([
  ["ES256", () => first],
  ["Ed25519", () => second],
])(
  "a client gets a token for an assertion that it signed with %s, and no other record than the usual",
  async (_, key) => {
    const shown = await assertion({ key: key() });
    const { jti } = tokenIn(await show(shown));
    const records = started.lines.map((line) => JSON.parse(line) as unknown);
    expect(records).toEqual([expect.objectContaining({ outcome: "issued", client: "partner", tokenId: jti })]);
    expect(started.lines.join("")).not.toContain(shown);
  },
);

test("a client that names no key may have signed with any of its own", async () => {
  expect((await show(await assertion({ header: { kid: undefined } }))).status).toBe(200);
});

describe("refuses (B20)", () => {
  test.each<[string, Changes]>([
    ["a stranger's key under the client's kid", { key: undefined as never }],
    ["an unknown kid", { header: { kid: "other" } }],
    ["the token endpoint as audience", { claims: { aud: `${issuer}/oauth/token` } }],
    ["a list of audiences, also of one", { claims: { aud: [issuer] } }],
    ["another server's audience beside ours", { claims: { aud: [issuer, "https://other.example"] } }],
    ["the issuer with a slash more", { claims: { aud: `${issuer}/` } }],
    ["no audience", { claims: { aud: undefined } }],
    ["no end", { claims: { exp: undefined } }],
    ["an end in the past", { claims: { exp: now() - 60 } }],
    ["an end that is too far", { claims: { exp: now() + 600 } }],
    ["an end as a text", { claims: { exp: String(now() + 60) } }],
    // By an hour, since the file may have been read long before it is its turn.
    ["a start in the future", { claims: { nbf: now() + 3_600 } }],
    ["no jti", { claims: { jti: undefined } }],
    ["a jti that is no text", { claims: { jti: 7 } }],
    ["a jti with a NUL in it", { claims: { jti: "a\0b" } }],
    ["a jti of 257 characters", { claims: { jti: "j".repeat(257) } }],
    ["another client as its issuer", { claims: { iss: "storefront" } }],
    ["no issuer", { claims: { iss: undefined } }],
    ["another client as its subject", { claims: { sub: "storefront" } }],
    ["no subject", { claims: { sub: undefined } }],
  ])("an assertion with %s", async (what, changes) => {
    const shown = await assertion(what.startsWith("a stranger's") ? { key: stranger } : changes);
    const { status, body } = await show(shown);
    expect(status).toBe(401);
    expect(body).toEqual({ error: "invalid_client", error_description: "client authentication failed" });
    expect(started.lines.join("")).toMatch(/"outcome":"refused"/u);
    expect(started.lines.join("")).not.toContain(shown);
  });

  test("an assertion without a signature, and one that the client's public key signed as a secret", async () => {
    const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const claims = { iss: "partner", sub: "partner", aud: issuer, jti: "none", exp: now() + 60 };
    const secret = new TextEncoder().encode(JSON.stringify(first.jwk));
    const hmac = await new SignJWT(claims).setProtectedHeader({ alg: "HS256", kid: "first" }).sign(secret);
    for (const shown of [`${encoded({ alg: "none", kid: "first" })}.${encoded(claims)}.`, hmac])
      expect((await show(shown)).status).toBe(401);
  });

  test("the right assertion with another workload's certificate, under another client's id, and of another type", async () => {
    expect((await show(await assertion(), {}, { as: started.storefront })).status).toBe(401);
    expect((await show(await assertion(), { client_id: "storefront" })).status).toBe(400);
    expect((await show(await assertion(), { client_assertion_type: "other" })).status).toBe(400);
    expect((await show(await assertion(), { client_assertion_type: undefined })).status).toBe(400);
  });

  test("the client without an assertion, with its certificate alone or a secret", async () => {
    expect((await askForToken(started, { client_id: "partner" }, { as: started.partner })).status).toBe(401);
    const headers = { authorization: `Basic ${Buffer.from("partner:-").toString("base64")}` };
    expect((await askForToken(started, { client_id: undefined }, { as: started.partner, headers })).status).toBe(401);
  });

  test("an assertion of a client that authenticates otherwise", async () => {
    const shown = await assertion({ claims: { iss: "storefront", sub: "storefront" } });
    expect((await show(shown, {}, { as: started.storefront })).status).toBe(401);
  });
});

test("an assertion is good once, also when it is shown many times at once", async () => {
  const shown = await assertion();
  const answers = await Promise.all(Array.from({ length: 12 }, () => show(shown)));
  const statuses = answers.map(({ status }) => status);
  expect(statuses.filter((status) => status === 200)).toHaveLength(1);
  expect(statuses.filter((status) => status === 401)).toHaveLength(11);
  expect((await show(shown)).status).toBe(401);
});

test("one that was shown with a request that was refused for something else is used, too", async () => {
  const shown = await assertion();
  expect((await show(shown, { scope: "write:payments" })).status).toBe(400);
  expect((await show(shown)).status).toBe(401);
});

test("two clients may use one jti", async () => {
  await started.change("clients", {
    clients: document([{ jwk: first.jwk }]).clients.map((client) =>
      client["clientId"] === "order-service"
        ? { ...client, authentication: "private_key_jwt", keys: [{ jwk: second.jwk }] }
        : client,
    ),
  });
  const jti = crypto.randomUUID();
  expect((await show(await assertion({ claims: { jti } }))).status).toBe(200);
  const claims = { jti, iss: "order-service", sub: "order-service" };
  const other = await assertion({ key: second, claims });
  expect((await show(other, {}, { as: started.orderService })).status).toBe(200);
  await started.change("clients", document([{ jwk: first.jwk }, { jwk: second.jwk }]));
});

test("a key that expires is refused from then on, and the other one is not", async () => {
  expect((await show(await assertion({ key: second }))).status).toBe(200);
  const past = new Date(Date.now() - 1000).toISOString();
  await started.change("clients", document([{ jwk: expired.jwk, expiresAt: past }, { jwk: second.jwk }]));
  expect((await show(await assertion({ key: expired }))).status).toBe(401);
  expect((await show(await assertion({ key: second }))).status).toBe(200);
  await started.change("clients", document([{ jwk: expired.jwk, expiresAt: past }]));
  expect((await show(await assertion({ key: expired }))).status).toBe(401);
  await started.change("clients", document([{ jwk: first.jwk }, { jwk: second.jwk }]));
});

test("an assertion revokes a token, and is used then", async () => {
  const { token, jti } = tokenIn(await show(await assertion()));
  const shown = await assertion();
  expect((await askToRevoke(started, token, { as: started.partner }, { client_id: "partner" })).status).toBe(401);
  expect((await askToRevoke(started, token, { as: started.partner }, credentials(shown))).status).toBe(200);
  expect((await denylist(started)).tokens.map((each) => each.jti)).toContain(jti);
  expect((await show(shown)).status).toBe(401);
});

test("an assertion that was used is refused after a restart, and forgotten when it has ended", async () => {
  const shown = await assertion();
  expect((await show(shown)).status).toBe(200);
  const { ca } = started;
  await started[Symbol.asyncDispose]();
  let nowMs = Date.now();
  started = await startIssuer({ folder, ca, now: () => nowMs });
  expect((await show(shown)).status).toBe(401);
  const used = () => started.db.selectFrom("used_assertions").selectAll().execute();
  expect(await used()).not.toEqual([]);
  nowMs += 400_000;
  await started.refresh();
  expect(await used()).toEqual([]);
});
