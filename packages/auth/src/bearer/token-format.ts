import type { TokenAlgorithm } from "./key-set.ts";
import { keyId } from "./published-keys.ts";

/** What is wrong with a token; the message is for the log and names no value of it. */
export class TokenProblem extends Error {
  override readonly name: string = "TokenProblem";
}

/** What a token's header says of its signature. */
export interface TokenHeader {
  readonly alg: TokenAlgorithm;
  readonly kid: string;
}

/** A token of ours has about 700 bytes; what is larger is not looked at. */
const maxTokenBytes = 8 * 1024;
/** Base64url without padding, three parts (RFC 7515 §7.1). jose tolerates more; RFC 8725 tells us not to. */
const bearerToken = /^Bearer ([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)$/;
/** RFC 9068 §4; media types are compared without case (RFC 7515 §4.1.9, RFC 2045 §5.1). */
const accessTokenType = /^(application\/)?at\+jwt$/i;
/** Header parameters that bring a key along, or change what the token means. */
const refusedParameters = ["crit", "b64", "zip", "jwk", "jku", "x5c", "x5u", "x5t", "x5t#S256"];
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The token in the value of `authorization`. Nothing is decoded.
 *
 * @throws TokenProblem when there is none
 */
export function tokenIn(authorization: string | undefined): string {
  if (authorization === undefined) throw new TokenProblem("there is not one value of authorization");
  if (authorization.length > maxTokenBytes) throw new TokenProblem("the token is too large");
  const token = bearerToken.exec(authorization)?.[1];
  if (token === undefined) throw new TokenProblem("authorization is not one token by the scheme Bearer");
  return token;
}

/**
 * The header of a token, which may be anybody's: it chooses among what is allowed and brings nothing of its own.
 *
 * @throws TokenProblem when it is not that of an access token with an algorithm of ours
 */
export function headerOf(token: string, algorithms: readonly TokenAlgorithm[]): TokenHeader {
  const header = ownHeader(token);
  const { typ } = header;
  if (typeof typ !== "string" || !accessTokenType.test(typ)) throw new TokenProblem("the token is not an access token");
  return signatureOf(header, algorithms);
}

/**
 * The same for a signature alone, which says nothing of what the token is for: for test vectors, never for a call.
 *
 * @throws TokenProblem when it is not that of a token with an algorithm of ours
 */
export function headerOfSignature(token: string, algorithms: readonly TokenAlgorithm[]): TokenHeader {
  return signatureOf(ownHeader(token), algorithms);
}

function ownHeader(token: string): Readonly<Record<string, unknown>> {
  const parts = token.split(".");
  // One token, one spelling: with its spare bits set a token would be another one to whoever compares texts (RFC 4648 §3.5).
  if (!parts.every((part) => Buffer.from(part, "base64url").toString("base64url") === part)) {
    throw new TokenProblem("the token is not in base64url's one spelling");
  }
  const header = jsonObject(Buffer.from(parts[0] ?? "", "base64url"), "header");
  const refused = refusedParameters.find((name) => Object.hasOwn(header, name));
  if (refused !== undefined) throw new TokenProblem(`the token's header carries ${refused}`);
  return header;
}

function signatureOf(header: Readonly<Record<string, unknown>>, algorithms: readonly TokenAlgorithm[]): TokenHeader {
  const { kid } = header;
  const alg = algorithms.find((allowed) => allowed === header["alg"]);
  if (alg === undefined) throw new TokenProblem("the token's algorithm is none of its issuer's");
  if (typeof kid !== "string" || !keyId.test(kid)) throw new TokenProblem("the token's kid is missing or malformed");
  return { alg, kid };
}

/**
 * Parses JSON of a token. Of two members of one name the last one counts, for all who ask, as it is parsed once; `__proto__` is a
 * member like any other.
 *
 * @throws TokenProblem when it is no object, or no UTF-8
 */
export function jsonObject(bytes: Uint8Array, part: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(bytes));
  } catch {
    throw new TokenProblem(`the token's ${part} is not JSON`); // without the parser's own words, which would quote it
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TokenProblem(`the token's ${part} is not an object`);
  }
  return value as Record<string, unknown>;
}
