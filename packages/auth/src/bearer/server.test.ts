import { createTokenIssuer } from "@zero-trust/testkit";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { knownKeys } from "../../test/known-keys.ts";
import { presentToken, thumbprint } from "../../test/present-token.ts";
import { Reason } from "../gen/zerotrust/auth/v1/policy_pb.ts";
import { type KeySet, KeysUnavailable } from "./key-set.ts";
import { type BearerOptions, bearer } from "./server.ts";
import type { RevocableToken } from "./token-revocations.ts";

const audience = "https://order.production.internal";
const issuer = await createTokenIssuer({ issuer: "https://issuer.production.internal" });
const keys = await knownKeys(issuer.jwks);
const open = (changes: Partial<BearerOptions> = {}) => bearer({ issuer: issuer.issuer, audience, keys, ...changes });
const verifier = open();

const nowSeconds = Math.floor(Date.now() / 1000);
const nowMs = nowSeconds * 1000;
const good = {
  aud: audience,
  sub: "storefront",
  client_id: "storefront",
  scope: "read:orders write:orders",
  iat: nowSeconds,
  exp: nowSeconds + 300,
  cnf: { "x5t#S256": thumbprint },
};
const sign = (claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}) =>
  issuer.sign({ ...good, ...claims }, header);
const verdict = async (authorization: string, of = verifier, call: { nowMs?: number; thumbprint?: string } = {}) =>
  (await presentToken(of, authorization, { nowMs, ...call })).finding;
const tokenVerdict = async (claims?: Record<string, unknown>, header?: Record<string, unknown>) =>
  verdict(`Bearer ${await sign(claims, header)}`);

const refused = { verdict: "invalid", reason: Reason.CREDENTIAL_INVALID };
const expired = { verdict: "invalid", reason: Reason.CREDENTIAL_EXPIRED };
const verified = { verdict: "verified", client: "storefront", scopes: new Set(["read:orders", "write:orders"]) };

const find = vi.spyOn(keys, "find");
const verifySignature = vi.spyOn(crypto.subtle, "verify");
beforeEach(() => {
  find.mockClear();
  verifySignature.mockClear();
});

test("lets a good token in, as its client, with its scopes", async () => {
  expect(await tokenVerdict()).toEqual(verified);
});
test.each(["at+jwt", "application/at+jwt", "AT+JWT"])("takes %s for an access token", async (typ) => {
  expect(await tokenVerdict({}, { typ })).toEqual(verified);
});
test("takes a token whose only audience stands in a list, or that has no scope", async () => {
  expect(await tokenVerdict({ aud: [audience] })).toEqual(verified);
  expect(await tokenVerdict({ scope: undefined })).toEqual({ ...verified, scopes: new Set() });
});

describe("refuses a token", () => {
  test.each([
    ["B11 of another issuer", { iss: "https://evil.internal" }],
    ["B11 of the issuer with a slash more", { iss: "https://issuer.production.internal/" }],
    ["B12 for another audience", { aud: "https://payment.production.internal" }],
    ["B12 for a prefix of our audience", { aud: audience.slice(0, -1) }],
    ["B12 for our audience and more", { aud: `${audience}/` }],
    ["B12 for several audiences, ours among them", { aud: [audience, "https://payment.production.internal"] }],
    ["B12 for our audience twice", { aud: [audience, audience] }],
    ["B12 for nobody", { aud: [] }],
    ["B12 for a list of lists", { aud: [[audience]] }],
    ["B14 bound to another certificate", { cnf: { "x5t#S256": "B".repeat(43) } }],
    ["B14 bound to no certificate", { cnf: undefined }],
    ["B14 bound by something else", { cnf: { jkt: thumbprint } }],
    ["B14 bound by something else too", { cnf: { "x5t#S256": thumbprint, jkt: thumbprint } }],
    ["B14 bound by nothing", { cnf: {} }],
    ["B14 bound to null", { cnf: null }],
    ["B14 bound to a list", { cnf: [thumbprint] }],
    ["B14 bound to a list of certificates", { cnf: { "x5t#S256": [thumbprint] } }],
    ["B9 without iss", { iss: undefined }],
    ["B9 without exp", { exp: undefined }],
    ["B9 without iat", { iat: undefined }],
    ["B9 without sub", { sub: undefined }],
    ["B9 without client_id", { client_id: undefined }],
    ["B9 without aud", { aud: undefined }],
    ["B9 without jti", { jti: undefined }],
    ["whose sub is empty", { sub: "" }],
    ["whose jti is a number", { jti: 1 }],
    ["whose jti is a line of a log", { jti: "a\nb" }],
    ["whose jti is long", { jti: "j".repeat(257) }],
    ["whose client_id is an object", { client_id: { toString: "storefront" } }],
    ["P12 whose client_id is __proto__", { client_id: "__proto__" }],
    ["whose scope is a list", { scope: ["read:orders"] }],
    ["whose exp is a text", { exp: `${nowSeconds + 300}` }],
    ["whose iat is a text", { iat: `${nowSeconds}` }],
    ["whose nbf is a text", { nbf: `${nowSeconds}` }],
    ["whose nbf is null", { nbf: null }],
    ["whose times are huge", { iat: 1e300, exp: 1e300 }],
    ["whose exp is huge", { exp: Number.MAX_VALUE }],
    ["whose iat is far below zero", { iat: -Number.MAX_VALUE }],
  ])("%s", async (_name, claims) => {
    expect(await tokenVerdict(claims)).toMatchObject(refused);
  });
  test.each([
    ["B13 of type JWT: an ID token or a client assertion", { typ: "JWT" }],
    ["B13 of no type", { typ: undefined }],
    ["B13 of another type: a logout token", { typ: "logout+jwt" }],
    ["B13 of a type that has ours in it", { typ: "at+jwt; x" }],
    ["B13 of a list of types", { typ: ["at+jwt"] }],
    ["B5 with a jku", { jku: "https://evil.internal/jwks.json" }],
    ["B5 with an x5u", { x5u: "https://evil.internal/x5u" }],
    ["B5 with a jwk", { jwk: issuer.jwks.keys[0] }],
    ["B5 with an x5c", { x5c: ["AAAA"] }],
    ["B5 with an x5t#S256", { "x5t#S256": thumbprint }],
    ["B6 with a zip", { zip: "DEF" }],
    ["B4 with no kid", { kid: undefined }],
    ["B4 whose kid is a path", { kid: "../../etc/passwd" }],
    ["B4 whose kid is SQL", { kid: "' OR 1=1 --" }],
    ["B4 whose kid is an array", { kid: [issuer.keyId] }],
    ["B4 whose kid is long", { kid: "k".repeat(5_000) }],
  ])("%s, and looks for no key", async (_name, header) => {
    expect(await tokenVerdict({}, header)).toMatchObject(refused);
    expect(find).not.toHaveBeenCalled();
  });
  test.each(["__proto__", "constructor", "unknown"])("B4 whose kid is %s", async (kid) => {
    expect(await tokenVerdict({}, { kid })).toMatchObject(refused);
  });
  test.each([
    ["an extension that nobody knows", { crit: ["exp2"], exp2: 1 }],
    ["an empty list", { crit: [] }],
    ["a payload that is not encoded", { crit: ["b64"], b64: false }],
    ["an encoded payload, said in vain", { b64: true }],
  ])("B6 whose crit says %s", async (_name, extra) => {
    const [, payload, signature] = (await sign()).split(".");
    const header = encode({ alg: "ES256", typ: "at+jwt", kid: issuer.keyId, ...extra });
    expect(await verdict(`Bearer ${header}.${payload}.${signature}`)).toMatchObject(refused);
    expect(find).not.toHaveBeenCalled();
  });
  test("B6 that is encrypted, or in JSON", async () => {
    const [header, payload, signature] = (await sign()).split(".");
    const flattened = JSON.stringify({ protected: header, payload, signature });
    for (const token of [`${header}.AAAA.AAAA.${payload}.${signature}`, flattened, `${header}..${signature}`]) {
      expect(await verdict(`Bearer ${token}`)).toMatchObject(refused);
    }
  });
  test("whose payload was changed", async () => {
    const [header, , signature] = (await sign()).split(".");
    const payload = encode({ ...good, jti: "x", iss: issuer.issuer, scope: "admin" });
    expect(await verdict(`Bearer ${header}.${payload}.${signature}`)).toMatchObject(refused);
  });
  test.each([9_000, 60_000])("B16 of %i bytes, whatever it says, and does no crypto", async (size) => {
    expect(await tokenVerdict({ padding: "p".repeat(size) })).toMatchObject(refused);
    expect(find).not.toHaveBeenCalled();
    expect(verifySignature).not.toHaveBeenCalled();
  });
  test.each([
    "",
    "Bearer",
    "Bearer ",
    "Basic YTpi",
    "bearer x.y.z",
    "Bearer  x.y.z",
    "Bearer x.y.z, Bearer x.y.z",
    "Bearer x.y.z ",
    "Bearer a b.c.d",
    "Bearer a.b.c.d.e",
    '["Bearer x.y.z"]',
  ])("B1 that is none: %j", async (value) => {
    expect(await verdict(value)).toMatchObject(refused);
  });
  test("B7 with white space, padding, or the other base64 in any of its parts", async () => {
    const parts = (await sign()).split(".");
    for (const [index, part] of parts.entries()) {
      for (const changed of [`${part}=`, `${part} `, ` ${part}`, `+${part}`, `${part}/`]) {
        expect(await verdict(`Bearer ${parts.with(index, changed).join(".")}`)).toMatchObject(refused);
      }
    }
    expect(find).not.toHaveBeenCalled();
  });
  test("B7 that is a good one in another spelling", async () => {
    const token = await sign();
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // A signature of 64 bytes has 86 characters, the last of which has four bits to spare.
    const sibling = alphabet[alphabet.indexOf(token.at(-1) ?? "") + 1];
    expect(await verdict(`Bearer ${token}`)).toEqual(verified);
    expect(Buffer.from(`${token.slice(0, -1)}${sibling}`, "base64url")).toEqual(Buffer.from(token, "base64url"));
    expect(await verdict(`Bearer ${token.slice(0, -1)}${sibling}`)).toMatchObject(refused);
  });
});

describe("B8 keeps the times exact", () => {
  test.each([
    ["expired within the skew", { iat: -296, exp: -4 }, verified],
    ["expired beyond the skew", { iat: -296, exp: -5 }, expired],
    ["issued at the edge of the skew", { iat: 5, exp: 300 }, verified],
    ["issued in the future", { iat: 6, exp: 300 }, refused],
    ["issued in the future, and good since before", { iat: 6, exp: 300, nbf: 0 }, refused],
    ["good from the edge of the skew on", { iat: 0, exp: 300, nbf: 5 }, verified],
    ["not good yet", { iat: 0, exp: 300, nbf: 6 }, refused],
    ["B10 ten years long", { iat: 0, exp: 315_360_000 }, refused],
    ["B10 a second too long", { iat: 0, exp: 301 }, refused],
    ["of no length", { iat: 0, exp: 0 }, refused],
    ["of less than no length", { iat: 4, exp: -4 }, refused],
  ])("%s", async (_name, offsets, expected) => {
    const claims = Object.fromEntries(Object.entries(offsets).map(([name, offset]) => [name, nowSeconds + offset]));
    expect(await tokenVerdict(claims)).toMatchObject(expected);
  });
  test("to the millisecond, cached or not", async () => {
    const token = `Bearer ${await sign()}`;
    const endMs = (good.exp + 5) * 1000;
    expect(await verdict(token, verifier, { nowMs: endMs - 1 })).toEqual(verified);
    expect(await verdict(token, verifier, { nowMs: endMs })).toMatchObject(expired);
    expect(await verdict(token, verifier, { nowMs: (good.iat - 5) * 1000 })).toEqual(verified);
    expect(await verdict(token, verifier, { nowMs: (good.iat - 5) * 1000 - 1 })).toMatchObject(refused);
  });
  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])("by a clock that says %d", async (ms) => {
    expect((await verdict(`Bearer ${await sign()}`, verifier, { nowMs: ms })).verdict).toBe("invalid");
  });
});

describe("remembers signatures, and nothing else:", () => {
  test("a token that is shown again is not verified again", async () => {
    const token = `Bearer ${await sign()}`;
    for (let time = 0; time < 3; time += 1) expect(await verdict(token)).toEqual(verified);
    expect(verifySignature).toHaveBeenCalledTimes(1);
    expect(find).toHaveBeenCalledTimes(1);
  });
  test("B14 a stolen one is refused whoever showed it before", async () => {
    const token = `Bearer ${await sign()}`;
    const thief = { thumbprint: "B".repeat(43) };
    expect(await verdict(token, verifier, thief)).toMatchObject(refused);
    expect(await verdict(token)).toEqual(verified);
    expect(await verdict(token, verifier, thief)).toMatchObject(refused);
    expect(await verdict(token)).toEqual(verified);
  });
  test("I6 one whose key is withdrawn is refused", async () => {
    const own = await knownKeys(issuer.jwks);
    const of = open({ keys: own });
    const token = `Bearer ${await sign()}`;
    expect(await verdict(token, of)).toEqual(verified);
    own.withdraw();
    expect(await verdict(token, of)).toMatchObject(refused);
  });
  test("one whose key was withdrawn and came back is verified anew", async () => {
    let published = await knownKeys(issuer.jwks);
    const of = open({
      keys: { ...keys, find: (kid, alg) => published.find(kid, alg), holds: (key) => published.holds(key) },
    });
    const token = `Bearer ${await sign()}`;
    expect(await verdict(token, of)).toEqual(verified);
    published = await knownKeys(issuer.jwks);
    expect(await verdict(token, of)).toEqual(verified);
    expect(verifySignature).toHaveBeenCalledTimes(2);
  });
  test("B22 one that was revoked is refused", async () => {
    const revoked = new Set<string>();
    const asked: RevocableToken[] = [];
    const isRevoked = (token: RevocableToken) => asked.push(token) > 0 && revoked.has(token.jti);
    const of = open({ revocations: { isRevoked, isReady: () => true, close: () => undefined } });
    const token = `Bearer ${await sign({ jti: "one" })}`;
    expect(await verdict(token, of)).toEqual(verified);
    revoked.add("one");
    expect(await verdict(token, of)).toMatchObject(refused);
    expect(asked).toContainEqual({ jti: "one", client: "storefront", issuedAtSeconds: nowSeconds });
  });
  test("B17 a flood of garbage pushes nobody out, and leaves nothing behind", async () => {
    const of = open({ maxCachedTokens: 2 });
    const token = await sign();
    expect(await verdict(`Bearer ${token}`, of)).toEqual(verified);
    const [header, payload] = token.split(".");
    for (let index = 0; index < 500; index += 1) {
      const signature = Buffer.alloc(64, `${index}`).toString("base64url");
      expect(await verdict(`Bearer ${header}.${payload}.${signature}`, of)).toMatchObject(refused);
    }
    verifySignature.mockClear();
    expect(await verdict(`Bearer ${token}`, of)).toEqual(verified);
    expect(verifySignature).not.toHaveBeenCalled();
  });
  test("the tokens least recently shown are forgotten first", async () => {
    const of = open({ maxCachedTokens: 2 });
    const [a, b, c] = await Promise.all([1, 2, 3].map(async (jti) => `Bearer ${await sign({ jti: `${jti}` })}`));
    for (const token of [a, b, a, c, a]) expect(await verdict(token ?? "", of)).toEqual(verified);
    expect(verifySignature).toHaveBeenCalledTimes(3);
    await verdict(b ?? "", of);
    expect(verifySignature).toHaveBeenCalledTimes(4);
  });
  test("none at all, where that is wanted", async () => {
    const of = open({ maxCachedTokens: 0 });
    const token = `Bearer ${await sign()}`;
    expect([await verdict(token, of), await verdict(token, of)]).toEqual([verified, verified]);
    expect(verifySignature).toHaveBeenCalledTimes(2);
  });
});

describe("judges a token again while its call runs:", () => {
  test("good, then expired", async () => {
    const { recheck } = await presentToken(verifier, `Bearer ${await sign()}`, { nowMs });
    expect(recheck?.(nowMs + 304_000)).toEqual(verified);
    expect(recheck?.(nowMs + 305_000)).toMatchObject(expired);
  });
  test("I6 its key withdrawn", async () => {
    const own = await knownKeys(issuer.jwks);
    const { recheck } = await presentToken(open({ keys: own }), `Bearer ${await sign()}`, { nowMs });
    expect(recheck?.(nowMs)).toEqual(verified);
    own.withdraw();
    expect(recheck?.(nowMs)).toMatchObject(refused);
  });
  test("B22 revoked; or nobody can tell", async () => {
    let revoked: () => boolean = () => false;
    const of = open({ revocations: { isRevoked: () => revoked(), isReady: () => true, close: () => undefined } });
    const { recheck } = await presentToken(of, `Bearer ${await sign()}`, { nowMs });
    expect(recheck?.(nowMs)).toEqual(verified);
    revoked = () => true;
    expect(recheck?.(nowMs)).toMatchObject(refused);
    revoked = () => {
      throw new Error("down");
    };
    expect(recheck?.(nowMs)).toEqual({ verdict: "unavailable", cause: "down" });
  });
});

describe("says that it could not check", () => {
  const down = () => {
    throw new KeysUnavailable("down");
  };
  const unavailable = { verdict: "unavailable", cause: "down" };
  test("where there are no keys", async () => {
    const of = open({ keys: { ...keys, find: async () => down() } });
    expect(await verdict(`Bearer ${await sign()}`, of)).toEqual(unavailable);
  });
  test("where the key set gives another key than it was asked for", async () => {
    for (const wrong of [{ kid: "other" }, { alg: "RS256" as const }]) {
      const find: KeySet["find"] = async (kid, alg) => {
        const found = await keys.find(kid, alg);
        return found && { ...found, ...wrong };
      };
      const finding = await verdict(`Bearer ${await sign()}`, open({ keys: { ...keys, find } }));
      expect(finding).toMatchObject({ verdict: "unavailable" });
    }
  });
  test("where the keys are too old, whatever it remembers", async () => {
    const own = { ...keys };
    const of = open({ keys: own });
    const token = `Bearer ${await sign()}`;
    expect(await verdict(token, of)).toEqual(verified);
    own.holds = down;
    expect(await verdict(token, of)).toEqual(unavailable);
  });
  test("where there is no list of revoked tokens", async () => {
    const of = open({ revocations: { isRevoked: down, isReady: () => false, close: () => undefined } });
    expect(await verdict(`Bearer ${await sign()}`, of)).toEqual(unavailable);
  });
});

test("B14 tokens of an issuer that cannot bind them get in, loudly; bound ones for their own certificate alone", async () => {
  const emitWarning = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
  // oxlint-disable-next-line typescript/no-deprecated -- what it warns of is what is tested
  const of = open({ certificateBound: "none" });
  expect(emitWarning.mock.calls).toEqual([[expect.stringMatching(/stolen/), { code: "ZERO_TRUST_UNBOUND_TOKENS" }]]);
  emitWarning.mockRestore();
  expect(await verdict(`Bearer ${await sign({ cnf: undefined })}`, of)).toEqual(verified);
  expect(await verdict(`Bearer ${await sign()}`, of)).toEqual(verified);
  expect(await verdict(`Bearer ${await sign()}`, of, { thumbprint: "B".repeat(43) })).toMatchObject(refused);
  for (const cnf of [null, {}, { jkt: thumbprint }]) {
    expect(await verdict(`Bearer ${await sign({ cnf })}`, of)).toMatchObject(refused);
  }
});

test.each([
  { issuer: "" },
  { audience: "" },
  { algorithms: [] },
  { algorithms: ["none" as "ES256"] },
  { algorithms: ["HS256" as "ES256"] },
  { certificateBound: "maybe" as "none" },
  { maxLifetimeSeconds: Number.NaN },
  { clockSkewSeconds: Number.POSITIVE_INFINITY },
  { clockSkewSeconds: -1 },
  { maxCachedTokens: Number.NaN },
])("does not start with %o", (changes) => {
  expect(() => open(changes)).toThrow(TypeError);
});
test("repeats nothing of the token in a cause", async () => {
  const token = await sign({ aud: "https://payment.production.internal", secret: "canary" });
  expect(JSON.stringify(await verdict(`Bearer ${token}`))).not.toMatch(/canary|payment\.production/);
});

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
