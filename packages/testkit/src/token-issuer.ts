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
 * @example
 * ```ts
 * import { createTokenIssuer } from "@zero-trust/testkit";
 *
 * const issuer = await createTokenIssuer({ issuer: "https://issuer.production.internal" });
 * const token = await issuer.sign({ client_id: "storefront", scope: "read:test" });
 * ```
 */
export async function createTokenIssuer(options: { readonly issuer: string }): Promise<TestTokenIssuer> {
  const { issuer } = options;
  const { privateKey, publicKey } = await jose.generateKeyPair("ES256");
  const keyId = randomUUID();
  const publicJwk = await jose.exportJWK(publicKey);
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
