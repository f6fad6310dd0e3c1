import { clientId } from "../client-id.ts";
import { jsonObject, TokenProblem } from "./token-format.ts";
import { tokenId } from "./token-revocations.ts";

/** What we keep of a token: claims of the right types, and no others. Whether they are good now is asked for every call. */
export interface TokenClaims {
  readonly iss: string;
  readonly aud: string;
  readonly exp: number;
  readonly iat: number;
  readonly nbf: number | undefined;
  readonly jti: string;
  readonly client: string;
  readonly scopes: ReadonlySet<string>;
  /** The certificate that it is bound to (RFC 8705 §3.1); undefined where it is bound to none. */
  readonly thumbprint: string | undefined;
}

/** What the claims of a token are compared with. */
export interface ExpectedClaims {
  readonly issuer: string;
  readonly audience: string;
  readonly maxLifetimeSeconds: number;
  readonly clockSkewSeconds: number;
  readonly certificateBound: "required" | "none";
}

/** The token was good once. */
export class TokenExpired extends TokenProblem {
  override readonly name = "TokenExpired";
}

const certificateThumbprint = /^[A-Za-z0-9_-]{43}$/;

/**
 * Reads the claims of a token whose signature is good.
 *
 * @throws TokenProblem when one that we need is missing or of another type (RFC 9068 §2.2)
 */
export function claimsOf(payload: Uint8Array): TokenClaims {
  const claims = jsonObject(payload, "payload");
  const { aud, scope, cnf } = claims;
  // One token, one service: a second audience could take it there and use it.
  const [audience, ...others] = Array.isArray(aud) ? (aud as unknown[]) : [aud];
  if (others.length > 0) throw new TokenProblem("the token has several audiences");
  if (scope !== undefined && typeof scope !== "string") throw new TokenProblem("the token's scope is not a text");
  text(claims["sub"], "sub"); // has to be there, and is never the caller
  return {
    iss: text(claims["iss"], "iss"),
    aud: text(audience, "aud"),
    exp: seconds(claims["exp"], "exp"),
    iat: seconds(claims["iat"], "iat"),
    nbf: claims["nbf"] === undefined ? undefined : seconds(claims["nbf"], "nbf"),
    jti: text(claims["jti"], "jti", tokenId),
    client: text(claims["client_id"], "client_id", clientId),
    scopes: new Set(scope?.split(" ").filter((one) => one !== "")),
    thumbprint: cnf === undefined ? undefined : thumbprintOf(cnf),
  };
}

/**
 * Compares claims with what we expect now. Each comparison says what is good, so that a time that is no number is not.
 *
 * @param thumbprint - of the certificate that the caller has shown
 * @throws TokenProblem that says what is wrong
 * @throws TokenExpired when it is that alone
 */
export function checkClaims(claims: TokenClaims, expected: ExpectedClaims, thumbprint: string, nowMs: number): void {
  const { iss, aud, exp, iat, nbf = iat } = claims;
  const { issuer, audience, maxLifetimeSeconds, clockSkewSeconds, certificateBound } = expected;
  const isUnbound = claims.thumbprint === undefined && certificateBound === "none";
  const nowSeconds = nowMs / 1000;
  insist(iss === issuer, "the token is of another issuer");
  insist(aud === audience, "the token is for another audience");
  insist(isUnbound || claims.thumbprint === thumbprint, "the token is bound to another certificate, or to none");
  insist(exp > iat && exp - iat <= maxLifetimeSeconds, "the token lives longer than any of this issuer's");
  insist(iat <= nowSeconds + clockSkewSeconds, "the token is from the future");
  insist(nbf <= nowSeconds + clockSkewSeconds, "the token is not good yet");
  if (!(nowSeconds < exp + clockSkewSeconds)) throw new TokenExpired("the token has expired");
}

function insist(isGood: boolean, problem: string): void {
  if (!isGood) throw new TokenProblem(problem);
}

function text(value: unknown, name: string, grammar: RegExp = /./s): string {
  if (typeof value !== "string" || !grammar.test(value))
    throw new TokenProblem(`the token's ${name} is missing or malformed`);
  return value;
}

/** A NumericDate (RFC 7519 §2), which JSON allows to be beyond all numbers. */
function seconds(value: unknown, name: string): number {
  if (typeof value !== "number" || !Number.isFinite(value))
    throw new TokenProblem(`the token's ${name} is missing or no time`);
  return value;
}

/** A confirmation that we cannot check is one that fails (RFC 7800 §3.1). */
function thumbprintOf(cnf: unknown): string {
  const [[method, value] = [], ...others] = Object.entries(cnf ?? {});
  const isThumbprint = method === "x5t#S256" && typeof value === "string" && certificateThumbprint.test(value);
  if (!isThumbprint || others.length > 0)
    throw new TokenProblem("the token is bound by something else than a certificate");
  return value;
}
