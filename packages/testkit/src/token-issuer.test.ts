import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair, jwtVerify } from "jose";
import { describe, expect, test } from "vitest";
import { createTokenIssuer } from "./token-issuer.ts";

const issuer = "https://issuer.production.internal";

describe("createTokenIssuer", () => {
  test("signs a token that its key set verifies", async () => {
    const tokens = await createTokenIssuer({ issuer });
    const token = await tokens.sign({ client_id: "storefront", aud: "https://order" });
    const verified = await jwtVerify(token, createLocalJWKSet(tokens.jwks), {
      issuer,
      audience: "https://order",
      algorithms: ["ES256"],
      typ: "at+jwt",
    });
    expect(verified.payload).toMatchObject({ client_id: "storefront" });
    expect(verified.protectedHeader.kid).toBe(tokens.keyId);
  });

  test("leaves out a claim and a header that is undefined, and takes any other", async () => {
    const tokens = await createTokenIssuer({ issuer });
    const token = await tokens.sign({ exp: undefined, iat: "never" }, { typ: undefined, kid: "x" });
    expect(decodeJwt(token)).not.toHaveProperty("exp");
    expect(decodeJwt(token)["iat"]).toBe("never");
    expect(decodeProtectedHeader(token)).toEqual({ alg: "ES256", kid: "x" });
  });

  test("keeps its private key out of the key set", async () => {
    const { jwks } = await createTokenIssuer({ issuer });
    expect(jwks.keys[0]).not.toHaveProperty("d");
  });

  test("signs in the place of another issuer whose key it is given", async () => {
    const { privateKey, publicKey } = await generateKeyPair("ES256", { extractable: true });
    const tokens = await createTokenIssuer({ issuer, signingKey: { ...(await exportJWK(privateKey)), kid: "theirs" } });
    const { protectedHeader } = await jwtVerify(await tokens.sign({}), publicKey);
    expect([protectedHeader.kid, tokens.keyId]).toEqual(["theirs", "theirs"]);
    expect(tokens.jwks.keys[0]).not.toHaveProperty("d");
  });
});
