import { createLocalJWKSet, jwtVerify } from "jose";
import { audience, issuerName, type ServerMaterial } from "../material.ts";

/** Verifies the token of a call; rejects when there is none, or one that does not hold. */
export type TokenCheck = (authorization: string | undefined) => Promise<void>;

/** What peers do for a call and nothing else, as jose's documentation shows it: signature, life, issuer, audience. */
export function tokenCheck({ jwks }: ServerMaterial): TokenCheck {
  const keySet = createLocalJWKSet(jwks);
  return async (authorization = "") => {
    await jwtVerify(authorization.slice("Bearer ".length), keySet, { issuer: issuerName, audience });
  };
}
