import { randomUUID } from "node:crypto";
import * as jose from "jose";

/** An issuer of access tokens that lives in memory. */
export interface TestTokenIssuer {
  readonly issuer: string;
  /** The key id of the signing key. */
  readonly keyId: string;
  /** The public key set. */
  readonly jwks: jose.JSONWebKeySet;
  /**
   * Signs an access token: `iss`, `iat`, `exp` (300 s) and `jti` are filled in, the header is `{alg: "ES256", typ: "at+jwt", kid}`
   * (RFC 9068 §2). A claim or header of `undefined` is left out, so that a test can make a token that lacks it.
   */
  sign(claims: Readonly<Record<string, unknown>>, headerOverrides?: Readonly<Record<string, unknown>>): Promise<string>;
}

/**
 * Makes a throwaway token issuer with one ES256 key.
 *
 * @param options - `signingKey`: a private P-256 key (JWK) of another issuer, in whose place it signs; its own unless given
 * @example
 * ```ts
 * import { createTokenIssuer } from "@zero-trust/testkit";
 *
 * const issuer = await createTokenIssuer({ issuer: "https://issuer.production.internal" });
 * const token = await issuer.sign({ client_id: "storefront", scope: "read:test" });
 * ```
 */
export async function createTokenIssuer(options: {
  readonly issuer: string;
  readonly signingKey?: jose.JWK;
}): Promise<TestTokenIssuer> {
  const { issuer } = options;
  const { d, ...publicJwk } = options.signingKey ?? (await newSigningKey());
  const privateKey = await jose.importJWK({ ...publicJwk, ...(d === undefined ? {} : { d }) }, "ES256");
  const keyId = publicJwk.kid ?? randomUUID();
  const jwks = { keys: [{ ...publicJwk, kid: keyId, alg: "ES256", use: "sig" }] };

  async function sign(
    claims: Readonly<Record<string, unknown>>,
    headerOverrides: Readonly<Record<string, unknown>> = {},
  ): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    const payload = { iss: issuer, iat: now, exp: now + 300, jti: randomUUID(), ...claims };
    const header = { alg: "ES256", typ: "at+jwt", kid: keyId, ...headerOverrides };
    // CompactSign, since SignJWT would check the claims, and a test wants to forge them.
    return new jose.CompactSign(new TextEncoder().encode(JSON.stringify(payload)))
      .setProtectedHeader(header)
      .sign(privateKey);
  }

  return { issuer, keyId, jwks, sign };
}

async function newSigningKey(): Promise<jose.JWK> {
  const { privateKey } = await jose.generateKeyPair("ES256", { extractable: true });
  return await jose.exportJWK(privateKey);
}
