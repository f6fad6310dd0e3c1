import { createHmac, KeyObject, sign as signBytes } from "node:crypto";
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, type JWK } from "jose";
import { describe, expect, test } from "vitest";
import { knownKeys } from "../../test/known-keys.ts";
import { presentToken, thumbprint } from "../../test/present-token.ts";
import type { TokenAlgorithm } from "./key-set.ts";
import { bearer } from "./server.ts";

const all: readonly TokenAlgorithm[] = ["ES256", "Ed25519", "PS256", "RS256"];
const issuer = "https://issuer.production.internal";
const audience = "https://order.production.internal";
const nowMs = Date.now();
const iat = Math.floor(nowMs / 1000);
const claims = { iss: issuer, aud: audience, sub: "a", client_id: "a", jti: "a", iat, exp: iat + 300 };
const payload = encode({ ...claims, cnf: { "x5t#S256": thumbprint } });

const pairs = new Map(
  await Promise.all(all.map(async (alg) => [alg, await generateKeyPair(alg, { extractable: true })] as const)),
);
const pairOf = (alg: TokenAlgorithm) => pairs.get(alg) ?? expect.unreachable();
const published: JWK[] = await Promise.all(
  all.map(async (alg) => ({ ...(await exportJWK(pairOf(alg).publicKey)), kid: alg, alg, use: "sig" })),
);
const keys = await knownKeys({ keys: published });

const inputOf = (alg: string, kid: string) => `${encode({ alg, typ: "at+jwt", kid })}.${payload}`;
const parameters = {
  ES256: { name: "ECDSA", hash: "SHA-256" },
  Ed25519: { name: "Ed25519" },
  PS256: { name: "RSA-PSS", saltLength: 32 },
  RS256: { name: "RSASSA-PKCS1-v1_5" },
};
async function sign(
  alg: TokenAlgorithm,
  key: CryptoKey,
  says: { readonly named?: string; readonly kid?: string } = {},
) {
  const { named = alg, kid = alg } = says;
  const input = inputOf(named, kid);
  const signature = await crypto.subtle.sign(parameters[alg], key, Buffer.from(input));
  return `${input}.${Buffer.from(signature).toString("base64url")}`;
}
const verdict = async (token: string, algorithms: readonly TokenAlgorithm[] = all, of = keys) =>
  (await presentToken(bearer({ issuer, audience, keys: of, algorithms }), `Bearer ${token}`, { nowMs })).finding
    .verdict;

describe.each(all)("%s", (alg) => {
  test("is taken where it is pinned, and nowhere else", async () => {
    const token = await sign(alg, pairOf(alg).privateKey);
    expect(await verdict(token, [alg])).toBe("verified");
    expect(await verdict(token, all)).toBe("verified");
    expect(
      await verdict(
        token,
        all.filter((other) => other !== alg),
      ),
    ).toBe("invalid");
  });
  test("is not taken with the key of another algorithm, whichever the header names", async () => {
    const token = await sign(alg, pairOf(alg).privateKey);
    const signature = token.split(".")[2];
    for (const named of all) {
      for (const kid of all) {
        const expected = named === alg && kid === alg ? "verified" : "invalid";
        expect(await verdict(await sign(alg, pairOf(alg).privateKey, { named, kid }))).toBe(expected);
      }
    }
    expect(await verdict(`${inputOf("none", alg)}.${signature}`)).toBe("invalid");
  });
  test("B2 is not taken with no signature, or with one of zeros, or with a part of one", async () => {
    const token = await sign(alg, pairOf(alg).privateKey);
    const end = token.lastIndexOf(".") + 1;
    const signature = Buffer.from(token.slice(end), "base64url");
    const others = [Buffer.alloc(0), Buffer.alloc(signature.length), signature.subarray(1), signature.subarray(0, -1)];
    for (const other of [...others, Buffer.concat([signature, Buffer.alloc(1)])]) {
      expect(await verdict(token.slice(0, end) + other.toString("base64url"))).toBe("invalid");
    }
  });
  test("B3 lends its public key to nobody as an HMAC secret", async () => {
    const { publicKey } = pairOf(alg);
    const jwk = published.find(({ kid }) => kid === alg);
    const spki = await exportSPKI(publicKey);
    const der = Buffer.from(spki.replaceAll(/-----.*-----|\s/g, ""), "base64");
    for (const secret of [spki, `${spki}\n`, spki.trim(), der, JSON.stringify(jwk), jwk?.n ?? jwk?.x ?? ""]) {
      for (const named of ["HS256", "HS384", "HS512", alg]) {
        const input = inputOf(named, alg);
        const hash = named.startsWith("HS") ? `sha${named.slice(2)}` : "sha256";
        const mac = createHmac(hash, secret).update(input).digest("base64url");
        expect(await verdict(`${input}.${mac}`)).toBe("invalid");
      }
    }
  });
});

test("B2 takes no token that is signed by none, in any case", async () => {
  for (const alg of ["none", "None", "NONE", "nOnE"]) {
    for (const signature of ["", "AAAA"]) {
      expect(await verdict(`${inputOf(alg, "ES256")}.${signature}`)).toBe("invalid");
    }
  }
});
test("an RSA key is not lent to the other RSA algorithm, where it says which is its own", async () => {
  const { publicKey, privateKey } = pairOf("RS256");
  const bare = await exportJWK(publicKey);
  const token = await sign("RS256", privateKey, { kid: "a" });
  const of = (alg?: string) => knownKeys({ keys: [{ ...bare, kid: "a", ...(alg === undefined ? {} : { alg }) }] });
  expect(await verdict(token, all, await of("PS256"))).toBe("invalid");
  expect(await verdict(token, all, await of("RS256"))).toBe("verified");
  expect(await verdict(token, all, await of())).toBe("verified");
  expect(await verdict(token, ["PS256"], await of())).toBe("invalid");
});
test("ES256 takes no signature in DER, and none by a P-384 key", async () => {
  const input = inputOf("ES256", "ES256");
  const { privateKey } = pairOf("ES256");
  const der = signBytes("sha256", Buffer.from(input), { key: KeyObject.from(privateKey), dsaEncoding: "der" });
  expect(await verdict(`${input}.${der.toString("base64url")}`)).toBe("invalid");
  const p384 = await generateKeyPair("ES384");
  const other = inputOf("ES256", "p384");
  const signature = await crypto.subtle.sign(parameters.ES256, p384.privateKey, Buffer.from(other));
  const jwk = { ...(await exportJWK(p384.publicKey)), kid: "p384" };
  const token = `${other}.${Buffer.from(signature).toString("base64url")}`;
  expect(await verdict(token, all, await knownKeys({ keys: [...published, jwk] }))).toBe("invalid");
});
test("Ed25519 takes no signature twice: S plus the order of the group is another spelling of S", async () => {
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  const token = await sign("Ed25519", pairOf("Ed25519").privateKey);
  const signature = Buffer.from(token.split(".")[2] ?? "", "base64url");
  const s = BigInt(`0x${Buffer.from(signature.subarray(32)).reverse().toString("hex")}`) + order;
  const spelled = Buffer.from(s.toString(16).padStart(64, "0"), "hex").reverse();
  const other = Buffer.concat([signature.subarray(0, 32), spelled]).toString("base64url");
  expect(await verdict(token)).toBe("verified");
  expect(await verdict(`${inputOf("Ed25519", "Ed25519")}.${other}`)).toBe("invalid");
});

test("Ed25519 takes nothing that anybody can sign: a key that is a point of small order, a signature of such points", async () => {
  const points = [
    `01${"00".repeat(31)}`,
    `ec${"ff".repeat(30)}7f`,
    "00".repeat(32),
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  ].map((hex) => Buffer.from(hex, "hex"));
  for (const x of points.map((point) => point.toString("base64url"))) {
    const of = await knownKeys({ keys: [{ kty: "OKP", crv: "Ed25519", x, kid: "a" }] });
    for (const r of points) {
      const signature = Buffer.concat([r, Buffer.alloc(32)]).toString("base64url");
      expect(await verdict(`${inputOf("Ed25519", "a")}.${signature}`, all, of)).toBe("invalid");
    }
  }
});

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
