import { createHmac, createPublicKey, generateKeyPairSync, randomUUID } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { deflateRawSync } from "node:zlib";
import { issuer } from "@zero-trust/infra/names";
import { OrderService } from "@zero-trust/proto/order/v1";
import { CompactEncrypt } from "jose";
import { expect } from "vitest";
import type { Stack } from "../stack/stack.ts";
import { bearerOf, claimsOf, newOrder } from "./credentials.ts";
import { base64url, es256, handmadeToken, issuerKeyOf } from "./handmade-token.ts";
import { type BadToken, refusesTokens } from "./refused-tokens.ts";
import { scenariosOn } from "./scenario.ts";

// What a token looks like. All would be right in every other respect, and all but a few are signed by the issuer's own key: nothing
// but the check that a scenario is about stands in their way.
const scenario = scenariosOn();
const { createOrder } = OrderService.method;

const rightClaims = (stack: Stack) => {
  const iat = Math.floor(Date.now() / 1000);
  return { iss: issuer, iat, exp: iat + 300, jti: randomUUID(), ...claimsOf(stack, "storefront", "order", scopes) };
};
const scopes = ["read:orders", "write:orders"];

/** A token of the issuer's own key, with other parameters in its header. */
function tokenWith(stack: Stack, header: Readonly<Record<string, unknown>>, claims = rightClaims(stack)): string {
  const { jwk, key } = issuerKeyOf(stack);
  const right = { alg: "ES256", typ: "at+jwt", kid: jwk.kid };
  return handmadeToken({ header: { ...right, ...header }, claims, signature: es256(key) });
}
const wrongSignature = "the token is refused: ERR_JWS_SIGNATURE_VERIFICATION_FAILED: signature verification failed";
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

scenario("B1", "a call gets in with exactly one token, written as RFC 6750 says", async (trial) => {
  const { authorization = "" } = await bearerOf(trial.stack, "storefront", "order", scopes);
  const token = authorization.slice("Bearer ".length);
  const cause = "authorization is not one token by the scheme Bearer";
  await refusesTokens(trial, [
    { what: "no token", expected: "UNAUTHENTICATED CREDENTIAL_MISSING", cause: "no rule has all its credentials" },
    { what: "an empty value", authorization: "", cause },
    { what: "the scheme alone", authorization: "Bearer", cause },
    { what: "Basic", authorization: `Basic ${base64url("storefront:secret")}`, cause },
    { what: "a good token after two spaces", authorization: `Bearer  ${token}`, cause },
    { what: "a good token without the scheme", authorization: token, cause },
    { what: "a list of two good tokens", authorization: `${authorization}, ${authorization}`, cause },
  ]);
});

scenario("B2", "a token that is signed by nobody is none", async (trial) => {
  const { stack } = trial;
  const right = tokenWith(stack, {});
  const [header = "", claims = "", signature = ""] = right.split(".");
  const none = (alg: string) => {
    const { jwk } = issuerKeyOf(stack);
    const unsigned = { header: { alg, typ: "at+jwt", kid: jwk.kid }, claims: rightClaims(stack) };
    return handmadeToken({ ...unsigned, signature: () => new Uint8Array() });
  };
  const anAlgorithm = "the token's algorithm is none of its issuer's";
  const noToken = "authorization is not one token by the scheme Bearer";
  await refusesTokens(trial, [
    { what: "alg none, no signature", ...bearer(none("none")), cause: noToken },
    ...["none", "None", "NONE", "nOnE"].map((alg) => ({
      what: `alg ${alg}, with the signature of another token`,
      ...bearer(`${none(alg)}${signature}`),
      cause: anAlgorithm,
    })),
    { what: "ES256, no signature", ...bearer(`${header}.${claims}.`), cause: noToken },
    {
      what: "ES256, a signature of zeros",
      ...bearer(`${header}.${claims}.${base64url(new Uint8Array(64))}`),
      cause: wrongSignature,
    },
    {
      what: "ES256, half a signature",
      ...bearer(`${header}.${claims}.${base64url(Buffer.from(signature, "base64url").subarray(0, 32))}`),
      cause: wrongSignature,
    },
  ]);
});

scenario("B3", "the issuer's public key is nobody's HMAC secret", async (trial) => {
  const { jwk } = issuerKeyOf(trial.stack);
  const { d: _, ...published } = jwk;
  const key = createPublicKey({ key: published, format: "jwk" });
  const pem = key.export({ type: "spki", format: "pem" }) as string;
  const secrets: Readonly<Record<string, string | Buffer>> = {
    "as PEM, without the last line feed": pem.trimEnd(),
    "as PEM": pem,
    "as DER": key.export({ type: "spki", format: "der" }),
    "as JWK": JSON.stringify(published),
  };
  await refusesTokens(
    trial,
    Object.entries(secrets).map(([shape, secret]) => {
      const header = { alg: "HS256", typ: "at+jwt", kid: jwk.kid };
      const signature = (input: string) => createHmac("sha256", secret).update(input).digest();
      const token = handmadeToken({ header, claims: rightClaims(trial.stack), signature });
      return {
        what: `HS256 with the public key ${shape}`,
        ...bearer(token),
        cause: "the token's algorithm is none of its issuer's",
      };
    }),
  );
});

scenario("B4", "a kid is a name to look up among the published keys, and nothing else", async (trial) => {
  const { kid = "" } = issuerKeyOf(trial.stack).jwk;
  const malformed = "the token's kid is missing or malformed";
  const kids: readonly (readonly [what: string, kid: unknown, cause: string])[] = [
    ["no kid", undefined, malformed],
    ["a path", "../../../../dev/null", malformed],
    ["SQL", `${kid}' OR '1'='1`, malformed],
    ["a list", [kid], malformed],
    ["__proto__", "__proto__", "the token's key is unknown"],
    ["constructor", "constructor", "the token's key is unknown"],
    ["10 kB", kid.padEnd(10_240, "a"), "the token is too large"],
  ];
  await refusesTokens(
    trial,
    kids.map(([what, its, cause]) => ({
      what: `kid: ${what}`,
      ...bearer(tokenWith(trial.stack, { kid: its })),
      cause,
    })),
  );
});

scenario("B5", "a token brings no key along, and makes nobody fetch one", async (trial) => {
  await using server = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
  let connections = 0;
  server.on("connection", () => {
    connections += 1;
  });
  await once(server, "listening");
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/key`;
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { kid } = issuerKeyOf(trial.stack).jwk;
  const jwk = { ...publicKey.export({ format: "jwk" }), kid, alg: "ES256", use: "sig" };
  const certificate = publicKey.export({ type: "spki", format: "der" }).toString("base64");
  const brought = { jwk, jku: url, x5u: url, x5c: [certificate] };
  const tokens = Object.entries(brought).flatMap(([name, value]): BadToken[] => {
    const header = { alg: "ES256", typ: "at+jwt", kid, [name]: value };
    const forged = handmadeToken({ header, claims: rightClaims(trial.stack), signature: es256(privateKey) });
    const cause = `the token's header carries ${name}`;
    return [
      { what: `${name} of the attacker, signed by his key`, ...bearer(forged), cause },
      {
        what: `${name} of the attacker, signed by the issuer's key`,
        ...bearer(tokenWith(trial.stack, { [name]: value })),
        cause,
      },
    ];
  });
  await refusesTokens(trial, tokens);
  expect(connections, "connections to the attacker's server").toBe(0);
});

scenario("B6", "what a token asks for besides its signature is not given", async (trial) => {
  const { stack } = trial;
  const { jwk, key } = issuerKeyOf(stack);
  const [header = "", claims = "", signature = ""] = tokenWith(stack, {}).split(".");
  const encoded = new TextEncoder();
  const text = JSON.stringify(rightClaims(stack));
  // Its payload is the text itself (RFC 7797 §5.2), which no compact form can carry: what is signed is.
  const unencoded = base64url(JSON.stringify({ alg: "ES256", typ: "at+jwt", kid: jwk.kid, b64: false, crit: ["b64"] }));
  const zipped = base64url(deflateRawSync(text));
  const zipHeader = base64url(JSON.stringify({ alg: "ES256", typ: "at+jwt", kid: jwk.kid, zip: "DEF" }));
  const encrypted = await new CompactEncrypt(encoded.encode(text))
    .setProtectedHeader({
      alg: "ECDH-ES",
      enc: "A256GCM",
      typ: "at+jwt",
      ...(jwk.kid === undefined ? {} : { kid: jwk.kid }),
    })
    .encrypt(createPublicKey(key));
  const carries = (name: string) => `the token's header carries ${name}`;
  const noToken = "authorization is not one token by the scheme Bearer";
  await refusesTokens(trial, [
    { what: "b64 false, not critical", ...bearer(tokenWith(stack, { b64: false })), cause: carries("b64") },
    {
      what: "an unknown critical extension",
      ...bearer(tokenWith(stack, { crit: ["future"], future: true })),
      cause: carries("crit"),
    },
    { what: "an empty list of critical extensions", ...bearer(tokenWith(stack, { crit: [] })), cause: carries("crit") },
    {
      what: "b64 false, signed over the text",
      ...bearer(`${unencoded}.${base64url(text)}.${base64url(es256(key)(`${unencoded}.${text}`))}`),
      cause: carries("crit"),
    },
    {
      what: "compressed claims",
      ...bearer(`${zipHeader}.${zipped}.${base64url(es256(key)(`${zipHeader}.${zipped}`))}`),
      cause: carries("zip"),
    },
    { what: "an encrypted token", ...bearer(encrypted), cause: noToken },
    {
      what: "a token as JSON",
      ...bearer(JSON.stringify({ protected: header, payload: claims, signature })),
      cause: noToken,
    },
  ]);
});

scenario("B7", "a token has one spelling", async (trial) => {
  const { stack } = trial;
  // A signature is random: one in two has both of the characters that the other alphabet spells differently.
  let parts: readonly string[] = [];
  for (let tries = 0; tries < 1_000 && !/^(?=.*-).*_/.test(parts[2] ?? ""); tries += 1) {
    parts = tokenWith(stack, {}).split(".");
  }
  const [header = "", claims = "", signature = ""] = parts;
  const cause = "authorization is not one token by the scheme Bearer";
  const spelt = (what: string, segments: readonly string[], why = cause): BadToken => ({
    what,
    ...bearer(segments.join(".")),
    cause: why,
  });
  const spare = String.fromCharCode(signature.charCodeAt(signature.length - 1) + 1);
  await refusesTokens(trial, [
    spelt("padding after the signature", [header, claims, `${signature}==`]),
    spelt("+ for -", [header, claims, signature.replaceAll("-", "+")]),
    spelt("/ for _", [header, claims, signature.replaceAll("_", "/")]),
    spelt("a space in the header", [`${header.slice(0, 8)} ${header.slice(8)}`, claims, signature]),
    spelt("a space in the claims", [header, `${claims.slice(0, 8)} ${claims.slice(8)}`, signature]),
    spelt("a space before the signature", [header, claims, ` ${signature}`]),
    spelt(
      "spare bits of the signature set",
      [header, claims, `${signature.slice(0, -1)}${spare}`],
      "the token is not in base64url's one spelling",
    ),
  ]);
});

scenario("B16", "a token that is larger than any of the issuer's is not looked at", async (trial) => {
  const long = (bytes: number) => {
    const claims = { ...rightClaims(trial.stack), padding: "a".repeat(bytes * 0.75) };
    return tokenWith(trial.stack, {}, claims);
  };
  await refusesTokens(trial, [{ what: "a token of 9 kB", ...bearer(long(9_000)), cause: "the token is too large" }]);
  // HTTP/2 itself ends a call with so much metadata: nobody gets as far as deciding it.
  const before = await trial.settled();
  const records = await trial.recordsSince("order");
  const message = newOrder();
  const larger = await trial.call(createOrder, { as: "storefront", message, metadata: bearer(long(60_000)) });
  trial.observe("a token of 60 kB", "RESOURCE_EXHAUSTED", larger.status);
  expect(await trial.settled(), "nothing happened").toEqual(before);
  expect(
    (await records()).filter(({ log }) => log === "decision"),
    "decisions",
  ).toEqual([]);
  const metadata = await bearerOf(trial.stack, "storefront", "order", scopes);
  const right = await trial.call(createOrder, { as: "storefront", message, metadata });
  trial.observe("a token of 60 kB: the same done right", "OK", right.status);
});
