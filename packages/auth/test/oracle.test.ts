import fc from "fast-check";
import { type CryptoKey, exportJWK, generateKeyPair, type JWK } from "jose";
import * as oauth from "oauth4webapi";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { TokenAlgorithm } from "../src/bearer/key-set.ts";
import { bearer } from "../src/bearer/server.ts";
import { knownKeys } from "./known-keys.ts";
import { presentToken, thumbprint } from "./present-token.ts";

/** A token as it is generated, and all that is wrong with it. */
interface Sample {
  /** The key that signs. */
  readonly signer: TokenAlgorithm;
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
  /** What is done to the value of `authorization` at last. */
  readonly spoil: keyof typeof spoilers;
}

const issuer = "https://issuer.production.internal";
const audience = "https://order.production.internal";
const nowSeconds = 1_795_000_000;
const tolerance = 5;
// Both read the same clock, so that edges are edges.
beforeAll(() => void vi.useFakeTimers({ toFake: ["Date"], now: nowSeconds * 1000 }));
afterAll(() => void vi.useRealTimers());

const all = ["ES256", "Ed25519", "PS256", "RS256"] as const;
/** All that the issuer signs with but one, so that there is an algorithm that both know and it does not use. */
const pinned = ["ES256", "Ed25519", "RS256"] as const;
const signing = {
  ES256: { name: "ECDSA", hash: "SHA-256" },
  Ed25519: { name: "Ed25519" },
  PS256: { name: "RSA-PSS", saltLength: 32 },
  RS256: { name: "RSASSA-PKCS1-v1_5" },
};
const pairs = new Map(await Promise.all(all.map(async (alg) => [alg, await generateKeyPair(alg)] as const)));
const pairOf = (alg: TokenAlgorithm): { privateKey: CryptoKey; publicKey: CryptoKey } =>
  pairs.get(alg) ?? expect.unreachable();
const jwks: { keys: JWK[] } = {
  keys: await Promise.all(all.map(async (alg) => ({ ...(await exportJWK(pairOf(alg).publicKey)), kid: alg, alg }))),
};

const keys = await knownKeys(jwks);
// The oracle knows no binding to certificates: those tokens are a difference below.
vi.spyOn(process, "emitWarning").mockImplementationOnce(() => undefined);
// oxlint-disable-next-line typescript/no-deprecated -- the oracle knows no other
const verifier = bearer({ issuer, audience, keys, algorithms: pinned, certificateBound: "none" });

async function ours(authorization: string): Promise<boolean> {
  const { finding } = await presentToken(verifier, authorization, { nowMs: Date.now() });
  expect(finding.verdict).not.toBe("unavailable");
  return finding.verdict === "verified";
}

const server: oauth.AuthorizationServer = { issuer, jwks_uri: `${issuer}/.well-known/jwks.json` };
async function theirs(authorization: string): Promise<boolean> {
  const request = new Request(audience, { headers: { authorization } });
  const options = {
    signingAlgorithms: [...pinned],
    [oauth.clockTolerance]: tolerance,
    [oauth.customFetch]: async () => Response.json(jwks),
  };
  return oauth.validateJwtAccessToken(server, request, audience, options).then(
    () => true,
    () => false,
  );
}

const good = {
  iss: issuer,
  aud: audience,
  sub: "storefront",
  client_id: "storefront",
  jti: "one",
  iat: nowSeconds,
  exp: nowSeconds + 300,
};
const spoilers = {
  nothing: (value: string) => value,
  "another signature": (value: string) =>
    `${value.slice(0, -20)}${value.slice(-20) === "A".repeat(20) ? "B" : "A"}${value.slice(-19)}`,
  "no signature": (value: string) => value.slice(0, value.lastIndexOf(".") + 1),
  "half a signature": (value: string) => value.slice(0, -40),
  "another payload": (value: string) => value.replace(/\../, (start) => (start === ".e" ? ".f" : ".e")),
  "no payload": (value: string) => value.replace(/\..*\./, ".."),
  "another part": (value: string) => `${value}.AAAA`,
  "the scheme in small letters": (value: string) => value.replace("Bearer", "bearer"),
  "another scheme": (value: string) => value.replace("Bearer", "Basic"),
  "two spaces": (value: string) => value.replace(" ", "  "),
  "a word more": (value: string) => `${value} more`,
  padding: (value: string) => `${value}==`,
  "spare bits": (value: string) => `${value.slice(0, -1)}${spare(value.slice(-1))}`,
};
/** The next character of base64url: where the last one has bits to spare, it stands for the same bytes. */
function spare(character: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return alphabet[alphabet.indexOf(character) ^ 1] ?? "A";
}

async function authorizationOf({ signer, header, claims, spoil }: Sample): Promise<string> {
  const input = [
    { alg: signer, typ: "at+jwt", kid: signer, ...header },
    { ...good, ...claims },
  ]
    .map(encode)
    .join(".");
  const signature = await crypto.subtle.sign(signing[signer], pairOf(signer).privateKey, Buffer.from(input));
  return spoilers[spoil](`Bearer ${input}.${Buffer.from(signature).toString("base64url")}`);
}
function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

const isText = (value: unknown): value is string => typeof value === "string";
const claimsOf = (sample: Sample) => ({ ...good, ...sample.claims }) as Record<string, unknown> & typeof good;

/** Where we say no and the oracle yes: each with its reason, what it applies to, and a token that shows it. */
const stricter: readonly [reason: string, applies: (sample: Sample) => boolean, example: Partial<Sample>][] = [
  [
    "a token that lives longer than five minutes is worth stealing",
    (sample) => claimsOf(sample).exp - claimsOf(sample).iat > 300,
    { claims: { exp: nowSeconds + 301 } },
  ],
  [
    "a token that ends before it begins is nobody's",
    (sample) => claimsOf(sample).exp <= claimsOf(sample).iat,
    { claims: { exp: nowSeconds } },
  ],
  [
    "a token from the future lives longer than it says",
    (sample) => claimsOf(sample).iat > nowSeconds + tolerance,
    { claims: { iat: nowSeconds + 6 } },
  ],
  [
    "a token for several services can be used by each at the others",
    (sample) => Array.isArray(claimsOf(sample).aud) && claimsOf(sample).aud.length !== 1,
    { claims: { aud: [audience, "https://payment.production.internal"] } },
  ],
  [
    "a token says which key it means",
    (sample) => !isText({ kid: "", ...sample.header }.kid),
    { header: { kid: undefined } },
  ],
  [
    "a token brings no key along, and is not compressed",
    ({ header }) => ["jku", "jwk", "x5u", "x5c", "x5t", "zip", "b64"].some((name) => header[name] !== undefined),
    { header: { jku: "https://evil.internal/" } },
  ],
  [
    "a client has a name of our grammar",
    (sample) => !/^[a-z0-9][a-z0-9-]{0,62}$/.test(String(claimsOf(sample).client_id)),
    { claims: { client_id: "Store Front" } },
  ],
  [
    "ids are neither empty nor more than a line of a log",
    (sample) => claimsOf(sample).sub === "" || !/^[!-~]{1,256}$/.test(String(claimsOf(sample).jti)),
    { claims: { jti: "a\nb" } },
  ],
  [
    "scopes are a text",
    (sample) => claimsOf(sample)["scope"] !== undefined && !isText(claimsOf(sample)["scope"]),
    { claims: { scope: ["admin"] } },
  ],
  [
    "a confirmation that says nothing confirms nothing",
    (sample) => JSON.stringify(sample.claims["cnf"]) === "{}",
    { claims: { cnf: {} } },
  ],
  [
    "more than 8 KiB is not looked at",
    (sample) => encode(sample.claims).length > 8 * 1024,
    { claims: { padding: "p".repeat(9_000) } },
  ],
  [
    "a token has one spelling",
    ({ spoil }) => ["the scheme in small letters", "two spaces", "padding", "spare bits"].includes(spoil),
    { spoil: "two spaces" },
  ],
];

/** Where we say yes and the oracle no. */
const wider: typeof stricter = [
  [
    "it knows no binding to certificates (RFC 8705 §3)",
    (sample) => JSON.stringify(sample.claims["cnf"]) === JSON.stringify({ "x5t#S256": thumbprint }),
    { claims: { cnf: { "x5t#S256": thumbprint } } },
  ],
];

const sampleOf = (changes: Partial<Sample>): Sample => ({
  signer: "ES256",
  header: {},
  claims: {},
  spoil: "nothing",
  ...changes,
});

describe("a differential oracle, oauth4webapi:", () => {
  test("both take a good token of each algorithm that the issuer uses", async () => {
    for (const signer of all) {
      const authorization = await authorizationOf(sampleOf({ signer }));
      const expected = signer !== "PS256";
      expect([await ours(authorization), await theirs(authorization)]).toEqual([expected, expected]);
    }
  });
  test.each(stricter)("it lets in what we do not, since %s", async (_reason, applies, example) => {
    const sample = sampleOf(example);
    const authorization = await authorizationOf(sample);
    expect(applies(sample)).toBe(true);
    expect([await ours(authorization), await theirs(authorization)]).toEqual([false, true]);
  });
  test.each(wider)("it keeps out what we do not, since %s", async (_reason, applies, example) => {
    const sample = sampleOf(example);
    const authorization = await authorizationOf(sample);
    expect(applies(sample)).toBe(true);
    expect([await ours(authorization), await theirs(authorization)]).toEqual([true, false]);
  });
  test("but for these we agree on every token", async () => {
    await fc.assert(
      fc.asyncProperty(samples(), async (sample) => {
        const authorization = await authorizationOf(sample);
        const [weSay, theySay] = [await ours(authorization), await theirs(authorization)];
        const isStricter = stricter.some(([, applies]) => applies(sample));
        const isWider = wider.some(([, applies]) => applies(sample));
        expect(weSay).toBe(!isStricter && (isWider ? weSay : theySay));
        // A verdict of the cache is the verdict.
        expect(await ours(authorization)).toBe(weSay);
      }),
      { numRuns: 1_000 },
    );
  }, 60_000);
});

/** Tokens of which most things are right, so that what is wrong is not always wrong twice. */
function samples(): fc.Arbitrary<Sample> {
  const offset = fc.oneof(
    fc.constantFrom(-301, -300, -6, -5, -4.5, -4, 0, 4, 5, 5.5, 6, 300, 301),
    fc.integer({ min: -700, max: 700 }),
  );
  const strange = fc.constantFrom<unknown>(undefined, null, "", 0, true, [], {}, "x", [null], { a: 1 });
  const time = fc.oneof(
    { weight: 3, arbitrary: offset.map((by) => nowSeconds + by) },
    { weight: 1, arbitrary: strange },
  );
  const text = fc.oneof(strange, fc.string(), fc.constantFrom("__proto__", "constructor", `${issuer}/`, audience));
  const header = {
    alg: fc.oneof(fc.constantFrom(...all, "none", "None", "HS256", "RS512", "EdDSA"), strange),
    typ: fc.oneof(fc.constantFrom("application/at+jwt", "AT+JWT", "JWT", "at+jwt ", "logout+jwt"), strange),
    kid: fc.oneof(fc.constantFrom(...all, "unknown"), strange),
    crit: strange,
    b64: strange,
    jku: text,
    cty: text,
  };
  const claims = {
    iss: text,
    aud: fc.oneof(text, fc.array(fc.constantFrom(audience, issuer, null, "x"), { maxLength: 3 })),
    sub: text,
    client_id: text,
    jti: text,
    exp: time,
    iat: time,
    nbf: time,
    scope: text,
    cnf: fc.oneof(strange, fc.constantFrom({ "x5t#S256": thumbprint }, { "x5t#S256": "x" }, { jkt: thumbprint })),
  };
  return fc.record({
    signer: fc.constantFrom(...all),
    header: changesOf(header, 1),
    claims: changesOf(claims, 2),
    spoil: fc.oneof(
      { weight: 4, arbitrary: fc.constant("nothing" as const) },
      { weight: 1, arbitrary: fc.constantFrom(...(Object.keys(spoilers) as (keyof typeof spoilers)[])) },
    ),
  });
}

function changesOf(fields: Readonly<Record<string, fc.Arbitrary<unknown>>>, maxLength: number) {
  return fc
    .shuffledSubarray(Object.entries(fields), { maxLength })
    .chain((some) => fc.record(Object.fromEntries(some)));
}
