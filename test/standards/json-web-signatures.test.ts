import { createHmac, generateKeyPairSync, sign } from "node:crypto";
import { expect, test } from "vitest";
import { jsonWebSignatures } from "./json-web-signatures.ts";
import { VectorFileError } from "./vector-file.ts";
import { vectorFolder } from "./vector-folder.ts";

const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const ec = { ...publicKey.export({ format: "jwk" }), kid: "a", alg: "ES256", use: "sig" };
const secret = { kty: "oct", kid: "b", alg: "HS256", k: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" };

const base64url = (text: string) => Buffer.from(text).toString("base64url");
const head = (header: object) => `${base64url(JSON.stringify(header))}.${base64url("a payload that is no claims")}`;

function es256(header: object): string {
  const signed = head(header);
  return `${signed}.${sign("sha256", Buffer.from(signed), { key: privateKey, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
}

const good = es256({ alg: "ES256", kid: "a" });
const mac = head({ alg: "HS256", kid: "b" });
const hs256 = `${mac}.${createHmac("sha256", Buffer.alloc(32)).update(mac).digest("base64url")}`;

test.each([
  ["a good signature", { public: ec }, good, "accepted"],
  ["a good signature by one of a set", { public: { keys: [{ ...ec, kid: "c" }, ec] } }, good, "accepted"],
  ["another payload", { public: ec }, good.replace(".", ".AAAA"), "refused: signature verification failed"],
  ["another key id", { public: ec }, es256({ alg: "ES256", kid: "c" }), "refused: the token's key is unknown"],
  [
    "a key in the token",
    { public: ec },
    es256({ alg: "ES256", kid: "a", jwk: ec }),
    "refused: the token's header carries jwk",
  ],
  [
    "none",
    { public: ec },
    `${head({ alg: "none", kid: "a" })}.`,
    "refused: authorization is not one token by the scheme Bearer",
  ],
  ["a symmetric key", { private: secret }, hs256, "refused: the token's algorithm is none of its issuer's"],
  [
    "a key for encryption",
    { public: { ...ec, use: "enc" } },
    good,
    "refused: it holds no signing key; the key a of the key set is ignored: it is not for signatures",
  ],
])("judges %s", async (_what, keys, jws, ours) => {
  using folder = vectorFolder();
  const tests = [{ tcId: 7, comment: "a comment", jws, result: "valid", flags: [] }];
  const path = folder.write("vectors.json", { numberOfTests: 1, testGroups: [{ ...keys, tests }] });
  expect(await jsonWebSignatures(path)).toEqual([{ id: "7", comment: "a comment", theirs: "valid", ours }]);
});

test.each([
  ["{", /vectors.json is not JSON/],
  ["[]", /is not a file of vectors that this knows: its top/],
  [{ testGroups: [{ tests: [{ tcId: 1 }] }] }, /testGroups\.0\.tests\.0\.comment/],
  [{ testGroups: [{ tests: [{ tcId: 1, comment: "", jws: "", result: "good" }] }] }, /tests\.0\.result/],
])("has a sentence for a file that is none: %j", async (content, message) => {
  using folder = vectorFolder();
  const read = jsonWebSignatures(folder.write("vectors.json", content));
  await expect(read).rejects.toThrow(message);
  await expect(read).rejects.toBeInstanceOf(VectorFileError);
});

test("has nothing to say of a file that is not there", async () => {
  using folder = vectorFolder();
  expect(await jsonWebSignatures(`${folder.path}/vectors.json`)).toBeUndefined();
});
