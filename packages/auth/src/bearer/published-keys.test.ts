import { exportJWK, generateKeyPair, type JWK } from "jose";
import { describe, expect, test } from "vitest";
import { nameOf, publishedKeys } from "./published-keys.ts";

const ec = { ...(await exportJWK((await generateKeyPair("ES256")).publicKey)), kid: "ec" };
const ed = { ...(await exportJWK((await generateKeyPair("Ed25519")).publicKey)), kid: "ed" };
const rsa = { ...(await exportJWK((await generateKeyPair("RS256")).publicKey)), kid: "rsa" };
const p384 = { ...(await exportJWK((await generateKeyPair("ES384")).publicKey)), kid: "ec" };

async function read(entries: readonly unknown[], last?: Awaited<ReturnType<typeof publishedKeys>>) {
  const told: string[] = [];
  const published = await publishedKeys({ keys: entries }, last, (error) => told.push(error.message));
  return { published, names: [...published.keys.keys()], told };
}

test("takes a key for the algorithm of its type, and an RSA key that names none for both of its", async () => {
  expect(await read([ec, ed, rsa])).toMatchObject({
    names: ["ES256 ec", "Ed25519 ed", "RS256 rsa", "PS256 rsa"],
    told: [],
  });
  const named = [
    { ...ec, alg: "ES256", use: "sig", key_ops: ["verify"], x5t: "?", unknown: 1 },
    { ...rsa, alg: "PS256" },
  ];
  expect(await read(named)).toMatchObject({ names: ["ES256 ec", "PS256 rsa"], told: [] });
});
test("keeps a key the same object as long as its members are the same", async () => {
  const { published } = await read([ec, ed, rsa]);
  const again = (await read([{ ...rsa, use: "sig" }, ed, { ...ec, y: ec.y, x5t: "new" }], published)).published;
  for (const [name, key] of published.keys) expect(again.keys.get(name)).toBe(key);
  const other = { ...(await exportJWK((await generateKeyPair("ES256")).publicKey)), kid: "ec" };
  const changed = (await read([other, ed], again)).published;
  expect(changed.keys.get("ES256 ec")).not.toBe(published.keys.get("ES256 ec"));
  expect(changed.keys.get("Ed25519 ed")).toBe(published.keys.get("Ed25519 ed"));
  const returned = (await read([ec], changed)).published;
  expect(returned.keys.get("ES256 ec")).not.toBe(published.keys.get("ES256 ec"));
});

describe("ignores a key, tells it once, and takes the others:", () => {
  const long = (bits: number): JWK => ({ kty: "RSA", kid: "rsa", e: "AQAB", n: ones(bits) });
  test.each([
    ["null", null, /at 0 .*kid/],
    ["a text", "key", /at 0 .*kid/],
    ["a list", [], /at 0 .*kid/],
    ["no kid", { ...ec, kid: undefined }, /at 0 .*kid/],
    ["a kid that is no name", { ...ec, kid: "../x\n" }, /at 0 .*kid/],
    ["a symmetric key", { kty: "oct", k: "AAAA", kid: "ec" }, /secret/],
    ["a symmetric key without its secret", { kty: "oct", kid: "ec" }, /another type/],
    ["a type that is a name of JavaScript's", { ...ec, kty: "constructor" }, /another type/],
    ["a private key", { ...ec, d: "AAAA" }, /secret/],
    ["a private RSA key without its exponent", { ...rsa, p: "AAAA" }, /secret/],
    ["a key to encrypt with", { ...ec, use: "enc" }, /not for signatures/],
    ["a key to sign with", { ...ec, key_ops: ["sign"] }, /not for verifying/],
    ["operations that are no list", { ...ec, key_ops: "verify" }, /not for verifying/],
    ["another curve", p384, /another curve/],
    ["another curve under the name of ours", { ...p384, crv: "P-256" }, /cannot be imported/],
    ["Bitcoin's curve", { ...ec, crv: "secp256k1" }, /another curve/],
    ["a key to agree on keys with", { ...ed, crv: "X25519" }, /another curve/],
    ["an algorithm of another type", { ...ec, alg: "RS256" }, /algorithm/],
    ["an algorithm that is none of ours", { ...rsa, alg: "RS512" }, /algorithm/],
    ["a symmetric algorithm", { ...rsa, alg: "HS256" }, /algorithm/],
    ["none", { ...ec, alg: "none" }, /algorithm/],
    ["a point that is not on the curve", { ...ec, y: ec.x }, /cannot be imported/],
    ["half a point", { ...ec, y: undefined }, /its y is missing/],
    ["an RSA key of 1024 bits", long(1024), /1024 bits/],
    ["an RSA key of 2047 bits", long(2047), /2047 bits/],
    ["an RSA key of 16384 bits", long(16_384), /16384 bits/],
    [
      "an RSA key with leading zeros",
      { ...long(1024), n: Buffer.concat([Buffer.alloc(128), Buffer.alloc(128, 255)]).toString("base64url") },
      /1024 bits/,
    ],
    ["an RSA key of a chip whose keys can be factored", { ...long(2048), n: rocaModulus() }, /CVE-2017-15361/],
    ["an exponent of 1", { ...rsa, e: "AQ" }, /exponent/],
    ["an exponent of 3", { ...rsa, e: "Aw" }, /exponent/],
    ["an exponent of 65536", { ...rsa, e: "AQAA" }, /exponent/],
    ["an even exponent", { ...rsa, e: "AQAC" }, /exponent/],
    ["a huge exponent", { ...rsa, e: ones(2047) }, /exponent/],
    ["no exponent", { ...rsa, e: undefined }, /its e is missing/],
    ["an Ed25519 key that is too short", { ...ed, x: "AAAA" }, /cannot be imported/],
  ])("%s", async (_name, entry, why) => {
    const other = { ...ed, kid: "other" };
    const { published, names, told } = await read([entry, other]);
    expect(names).toEqual(["Ed25519 other"]);
    expect(told).toEqual([expect.stringMatching(why)]);
    expect((await read([entry, other], published)).told).toEqual([]);
  });
  test("two keys of one kid, since nobody can tell which is meant", async () => {
    expect(await read([ec, { ...ed, kid: "ec" }, rsa])).toMatchObject({
      names: ["RS256 rsa", "PS256 rsa"],
      told: ["the key ec of the key set is ignored: another key has its kid"],
    });
    expect((await read([ec, ec, ec, ed])).names).toEqual(["Ed25519 ed"]);
  });
  test("but not a key whose kid an unfit one has too", async () => {
    expect((await read([{ ...ec, use: "enc" }, ec])).names).toEqual(["ES256 ec"]);
    expect((await read([ec, { ...ec, use: "enc" }])).names).toEqual(["ES256 ec"]);
  });
});

test.each([null, [], "keys", {}, { keys: {} }, { keys: [] }, { keys: [{}] }, { keys: [{ ...ec, use: "enc" }] }])(
  "takes nothing for a key set that holds no key: %j",
  async (json) => {
    await expect(publishedKeys(json, undefined)).rejects.toThrow(/no JWKS|no signing key/);
  },
);
test("I3 takes no more than 100 entries, and tells of none of a flood", async () => {
  const told: Error[] = [];
  const keysAnd = (others: number) => ({ keys: [ec, ...Array.from({ length: others }, () => ({}))] });
  await expect(publishedKeys(keysAnd(100), undefined, (error) => told.push(error))).rejects.toThrow(
    /more than 100 keys/,
  );
  expect(told).toEqual([]);
  expect([...(await publishedKeys(keysAnd(99), undefined)).keys.keys()]).toEqual(["ES256 ec"]);
});
test("P12 inherits nothing from a key set", async () => {
  const json: unknown = JSON.parse(
    `{"__proto__":{"keys":[]},"keys":[{"__proto__":{"d":"x"},${JSON.stringify(ec).slice(1)}]}`,
  );
  expect([...(await publishedKeys(json, undefined)).keys.keys()]).toEqual(["ES256 ec"]);
});
test("names a key by its algorithm too", () => {
  expect(nameOf({ kid: "a", alg: "ES256" })).not.toBe(nameOf({ kid: "a", alg: "Ed25519" }));
});

/** A number of so many bits, all of them ones. */
function ones(bits: number): string {
  return base64url(2n ** BigInt(bits) - 1n);
}

/** A number of 2048 bits that is 1, and so a power of 65537, modulo every number up to 167. */
function rocaModulus(): string {
  let product = 1n;
  for (let factor = 2n; factor <= 167n; factor += 1n) product *= factor;
  return base64url((2n ** 2047n / product + 1n) * product + 1n);
}

function base64url(number: bigint): string {
  const hex = number.toString(16);
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), "0"), "hex").toString("base64url");
}
