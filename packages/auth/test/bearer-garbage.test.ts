import { isDeepStrictEqual } from "node:util";
import type { Metadata } from "@grpc/grpc-js";
import fc from "fast-check";
import { type CryptoKey, exportJWK, generateKeyPair } from "jose";
import { describe, expect, test } from "vitest";
import { publishedKeys } from "../src/bearer/published-keys.ts";
import { bearer } from "../src/bearer/server.ts";
import { parseRevocations } from "../src/bearer/token-revocations.ts";
import { JsonShapeError } from "../src/json-shape.ts";
import { knownKeys } from "./known-keys.ts";
import { presentToken, thumbprint } from "./present-token.ts";

const issuer = "https://issuer.production.internal";
const audience = "https://order.production.internal";
const nowMs = Date.now();
const iat = Math.floor(nowMs / 1000);
const { publicKey, privateKey } = await generateKeyPair("Ed25519");
const jwk = { ...(await exportJWK(publicKey)), kid: "a" };
const ec = { ...(await exportJWK((await generateKeyPair("ES256")).publicKey)), kid: "b" };
const rsa = { ...(await exportJWK((await generateKeyPair("RS256")).publicKey)), kid: "c" };
const verifier = bearer({ issuer, audience, keys: await knownKeys({ keys: [jwk] }), algorithms: ["Ed25519"] });
const header = { alg: "Ed25519", typ: "at+jwt", kid: "a" };
const claims = { iss: issuer, aud: audience, sub: "a", client_id: "a", jti: "a", iat, exp: iat + 300 };
const bound = { ...claims, cnf: { "x5t#S256": thumbprint } };

/** Metadata that holds what grpc-js would let nobody put in. */
const metadataOf = (...values: readonly unknown[]) => ({ get: () => values }) as unknown as Metadata;
const verdictOf = async (...values: readonly unknown[]) =>
  (
    await presentToken({ ...verifier, verify: (_, call) => verifier.verify(metadataOf(...values), call) }, "", {
      nowMs,
    })
  ).finding.verdict;
const encode = (bytes: string | Uint8Array) => Buffer.from(bytes as string).toString("base64url");
async function signed(head: string | Uint8Array, payload: string | Uint8Array, key: CryptoKey = privateKey) {
  const input = `${encode(head)}.${encode(payload)}`;
  const signature = await crypto.subtle.sign("Ed25519", key, Buffer.from(input));
  return `Bearer ${input}.${encode(new Uint8Array(signature))}`;
}

/** JSON as nobody writes it: of any shape, with names that mean something to JavaScript, nested, and cut off. */
const anyJson = fc.oneof(
  fc.json({ maxDepth: 4 }),
  fc.string(),
  fc.uint8Array({ maxLength: 200 }),
  fc.integer({ min: 1, max: 4_000 }).map((depth) => "[".repeat(depth)),
  fc.integer({ min: 1, max: 2_000 }).map((depth) => `${"[".repeat(depth)}${"]".repeat(depth)}`),
  fc.constantFrom('{"__proto__":{"alg":"Ed25519"}}', "1e999", '{"exp":1e999}', "\uFEFF{}", '{"a":"\ud800"}', ""),
);
/** Of the text of an object: a part of it replaced, so that it stays close to a good one. */
const almost = (object: object) =>
  fc
    .tuple(fc.nat(), fc.nat({ max: 8 }), fc.oneof(fc.string(), fc.constantFrom("null", "1e999", "{}", '"', "\\u0000")))
    .map(([at, length, text]) => {
      const good = JSON.stringify(object);
      const start = at % good.length;
      return good.slice(0, start) + text + good.slice(start + length);
    });

/** Whether a text is JSON that says this, whatever else it says. */
function holds(text: string | Uint8Array, said: object): boolean {
  try {
    return isDeepStrictEqual({ ...(JSON.parse(text as string) as object), ...said }, JSON.parse(text as string));
  } catch {
    return false;
  }
}

describe("whatever comes as a token,", () => {
  test("is a good one, to begin with", async () => {
    expect(await verdictOf(await signed(JSON.stringify(header), JSON.stringify(bound)))).toBe("verified");
  });
  test("a value that is anything is refused", async () => {
    const part = fc.string({ unit: fc.constantFrom(...Array.from("abcXYZ019-_.=+/ \n\t%é")) });
    const value = fc.oneof(
      fc.string({ unit: "binary" }),
      part.map((text) => `Bearer ${text}`),
      fc.constant(Buffer.from("Bearer a.b.c")),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(value, { maxLength: 3 }), async (values) => {
        expect(await verdictOf(...values)).toBe("invalid");
      }),
      { numRuns: 2_000 },
    );
  });
  test("a header that is anything is refused, whoever signed it", async () => {
    const head = fc.oneof(anyJson, almost(header));
    await fc.assert(
      fc.asyncProperty(head, async (text) => {
        const verdict = await verdictOf(await signed(text, JSON.stringify(bound)));
        // A change that leaves it the header that it was, or writes its type larger, may let it in.
        const { alg, kid } = header;
        expect(verdict).toBe(holds(text, { alg, kid }) ? verdict : "invalid");
        expect(verdict).toMatch(/^(verified|invalid)$/);
      }),
      { numRuns: 2_000 },
    );
  });
  test("a payload that is anything is refused, though our issuer signed it", async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(anyJson, almost(bound), almost(claims)), async (text) => {
        const verdict = await verdictOf(await signed(JSON.stringify(header), text));
        const { iss, aud, cnf } = bound;
        expect(verdict).toBe(holds(text, { iss, aud, cnf }) ? verdict : "invalid");
        expect(verdict).toMatch(/^(verified|invalid)$/);
      }),
      { numRuns: 2_000 },
    );
  });
  test("a good one of which one bit is another is refused", async () => {
    const token = await signed(JSON.stringify(header), JSON.stringify(bound));
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: token.length * 8 - 1 }), async (bit) => {
        const bytes = Buffer.from(token);
        bytes.writeUInt8((bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7)), bit >> 3);
        expect(await verdictOf(bytes.toString("latin1"))).toBe("invalid");
      }),
      { numRuns: 1_000 },
    );
  });
});

/** JSON values, some of them like the good one but for a member. */
const spoiled = (good: object) =>
  fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.constant(good),
    fc
      .tuple(fc.constantFrom(...Object.keys(good), "d", "use", "key_ops", "__proto__"), fc.jsonValue({ maxDepth: 2 }))
      .map(([name, value]): unknown =>
        JSON.parse(`{${JSON.stringify(good).slice(1, -1)},${JSON.stringify(name)}:${JSON.stringify(value)}}`),
      ),
  );

const sentences = ["it is no JWKS", "it holds no signing key"];

describe("whatever comes as a document,", () => {
  test("of a key set the good keys are taken, or none, with a sentence", async () => {
    const entries = fc.array(fc.oneof(...[jwk, ec, rsa].map(spoiled)), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          entries.map((keys) => ({ keys })),
          fc.jsonValue(),
        ),
        async (json) => {
          const told: string[] = [];
          const failed = (error: unknown) => (error as Error).message;
          const published = await publishedKeys(json, undefined, (error) => told.push(error.message)).catch(failed);
          expect(typeof published === "object" || sentences.includes(published)).toBe(true);
          for (const { kid, key } of typeof published === "object" ? published.keys.values() : []) {
            expect((key as CryptoKey).type).toBe("public");
            expect(kid).toMatch(/^[\w.-]+$/);
          }
          for (const sentence of told)
            expect(sentence).toMatch(/^the key [\w.-]+( \d+)? of the key set is ignored: [\w' ]+$/);
        },
      ),
      { numRuns: 2_000 },
    );
  });
  test("a list of revoked tokens is taken whole, or refused with a sentence", () => {
    const token = spoiled({ jti: "a", exp: 1_795_000_000 });
    const client = spoiled({ client_id: "a", before: 1_795_000_000 });
    const list = fc.record({ tokens: fc.array(token), clients: fc.array(client) });
    fc.assert(
      fc.property(fc.oneof(list, fc.jsonValue()), (json) => {
        const { tokens, clients } = revocationsIn(json);
        for (const jti of tokens) expect(jti).toMatch(/^[!-~]{1,256}$/);
        for (const before of clients.values()) expect(before).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 2_000 },
    );
  });
});

/** What a list says; nothing, where it is refused as it should be. */
function revocationsIn(json: unknown): ReturnType<typeof parseRevocations> {
  try {
    return parseRevocations(json);
  } catch (error) {
    if (error instanceof JsonShapeError) return { tokens: new Set(), clients: new Map() };
    throw error;
  }
}
