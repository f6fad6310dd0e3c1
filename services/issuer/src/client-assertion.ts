import { errors } from "oidc-provider";

/** An assertion may be good for this long from now, and is remembered for as long; a minute is what clients need. */
const MAX_ASSERTION_SECONDS = 300;

/** A client makes its ids; they are kept until the assertions have ended. */
const MAX_ID_LENGTH = 256;

/**
 * Checks, of an assertion whose signature oidc-provider has verified, what it leaves to us: that it is for this very issuer
 * (FAPI 2.0 Security Profile, section 5.3.2.1: the identifier as a string, since a list or an endpoint's URL may name
 * another server too), and that it soon ends.
 *
 * @param now - Unix seconds
 * @throws InvalidClientAuth
 */
export function checkAssertion(claims: { [claim: string]: unknown }, issuer: string, now: number): void {
  const { aud, exp, jti } = claims;
  if (aud !== issuer) throw new errors.InvalidClientAuth("the assertion's audience must be the issuer, as a text");
  if (typeof exp !== "number" || exp > now + MAX_ASSERTION_SECONDS)
    throw new errors.InvalidClientAuth(`the assertion must end within ${MAX_ASSERTION_SECONDS} s`);
  // PostgreSQL has no text with a NUL in it.
  if (typeof jti !== "string" || jti.length > MAX_ID_LENGTH || jti.includes("\0"))
    throw new errors.InvalidClientAuth(`the assertion's jti must be a text of ${MAX_ID_LENGTH} characters at most`);
}
