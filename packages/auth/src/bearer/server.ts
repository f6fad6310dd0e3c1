import { errors } from "jose";
import { yesOrNoIn } from "../answers.ts";
import type { Finding } from "../decision.ts";
import { Credential, Reason } from "../gen/zerotrust/auth/v1/policy_pb.ts";
import { invalid, type MetadataVerifier, singleValue, type Verification } from "../verifier.ts";
import { type Answer, orElse, withAnswer } from "../with-answer.ts";
import type { KeySet, TokenAlgorithm } from "./key-set.ts";
import { digestOf, SignatureCache, type VerifiedToken } from "./signature-cache.ts";
import { checkClaims, claimsOf, type ExpectedClaims, TokenExpired } from "./token-claims.ts";
import { headerOf, TokenProblem, tokenIn } from "./token-format.ts";
import type { TokenRevocations } from "./token-revocations.ts";
import { verifySignature } from "./token-signature.ts";

/** What the server side of bearer tokens needs. */
export interface BearerOptions {
  /** The authorization server, compared letter by letter with `iss`. */
  readonly issuer: string;
  /** This service, which has to be the token's only `aud`. */
  readonly audience: string;
  /** The authorization server's keys: `jwks({…})`. */
  readonly keys: KeySet;
  /** The tokens that it took back: `tokenRevocations({…})`. Without, a token lives until it expires. */
  readonly revocations?: TokenRevocations;
  /** What its tokens are signed with. @defaultValue `["ES256"]` */
  readonly algorithms?: readonly TokenAlgorithm[];
  /** The longest life of a token, `exp` − `iat`, in seconds. @defaultValue 300 */
  readonly maxLifetimeSeconds?: number;
  /** How far clocks may disagree, in seconds. @defaultValue 5 */
  readonly clockSkewSeconds?: number;
  /** How many verified signatures are remembered, of about a kilobyte each. @defaultValue 10 000 */
  readonly maxCachedTokens?: number;
  /**
   * Whether a token has to be bound to the caller's certificate (RFC 8705 §3). Only an authorization server that cannot
   * bind its tokens is a reason for `"none"`; a token that is bound has to fit all the same.
   *
   * @defaultValue `"required"`
   * @deprecated With `"none"`, whoever steals a token and has any certificate of the trust domain can use it.
   */
  readonly certificateBound?: "required" | "none";
}

const knownAlgorithms: readonly TokenAlgorithm[] = ["ES256", "Ed25519", "PS256", "RS256"];

/**
 * Verifies OAuth 2.0 access tokens in `authorization`: JWTs by RFC 9068, bound to the caller's certificate by
 * RFC 8705 §3, with the checks of RFC 8725. A signature is verified once; all else is checked for every call.
 *
 * @param options - whose tokens, for which service
 * @throws TypeError when an option makes no sense
 * @example
 * ```ts
 * import { bearer, jwks, tokenRevocations } from "@zero-trust/auth/server";
 * import { httpsAgent, identityFromDirectory } from "@zero-trust/mtls";
 *
 * const issuer = "https://issuer.production.internal";
 * const agent = httpsAgent({ identity: identityFromDirectory("tls"), serverId: "spiffe://production.internal/issuer" });
 * const verifier = bearer({
 *   issuer,
 *   audience: "https://greeter.production.internal",
 *   keys: jwks({ url: new URL(`${issuer}/.well-known/jwks.json`), agent }),
 *   revocations: tokenRevocations({ url: new URL(`${issuer}/.well-known/revoked-tokens.json`), agent }),
 * });
 * ```
 */
export function bearer(options: BearerOptions): MetadataVerifier {
  const { keys, revocations, algorithms = ["ES256"], maxCachedTokens = 10_000 } = options;
  const expected: ExpectedClaims = {
    issuer: options.issuer,
    audience: options.audience,
    maxLifetimeSeconds: options.maxLifetimeSeconds ?? 300,
    clockSkewSeconds: options.clockSkewSeconds ?? 5,
    // oxlint-disable-next-line typescript/no-deprecated -- here it is read, for those who have no other choice
    certificateBound: options.certificateBound ?? "required",
  };
  refuseNonsense({ ...expected, algorithms, maxCachedTokens });
  if (expected.certificateBound === "none") {
    process.emitWarning(`Tokens of ${expected.issuer} need not be bound to a certificate: a stolen one can be used.`, {
      code: "ZERO_TRUST_UNBOUND_TOKENS",
    });
  }
  const cache = new SignatureCache(maxCachedTokens);

  async function read(token: string, digest: string): Promise<VerifiedToken> {
    const { key, payload } = await verifySignature(token, headerOf(token, algorithms), keys);
    const verified = { key, claims: claimsOf(payload) };
    cache.add(digest, verified);
    return verified;
  }

  /** All that may have changed since the signature was verified, and all that differs from call to call. */
  function judge({ key, claims }: VerifiedToken, thumbprint: string, nowMs: number): Answer<Finding> {
    const { jti, client, scopes, iat: issuedAtSeconds } = claims;
    const conclude = (isRevoked: unknown): Finding => {
      if (yesOrNoIn(isRevoked, "the token revocations")) throw new TokenProblem("the token was revoked");
      return { verdict: "verified", client, scopes };
    };
    return orElse(() => {
      if (!yesOrNoIn(keys.holds(key), "the key set")) throw new TokenProblem("the token's key was withdrawn");
      checkClaims(claims, expected, thumbprint, nowMs);
      const isRevoked = revocations === undefined ? false : revocations.isRevoked({ jti, client, issuedAtSeconds });
      return withAnswer(isRevoked, conclude);
    }, findingOf);
  }

  function verificationOf(token: VerifiedToken, thumbprint: string, nowMs: number): Answer<Verification> {
    return withAnswer(judge(token, thumbprint, nowMs), (finding) => ({
      id: token.claims.jti,
      finding,
      recheck: (laterMs) => judge(token, thumbprint, laterMs),
    }));
  }

  return {
    credential: Credential.BEARER,
    metadataKeys: ["authorization"],
    isPresented: (metadata) => metadata.get("authorization").length > 0,
    // Without a promise for a token that is known: to wait for nothing costs more than all that is looked at.
    verify(metadata, { peer, nowMs }) {
      return orElse(() => {
        const token = tokenIn(singleValue(metadata, "authorization"));
        const digest = digestOf(token);
        const cached = cache.find(digest);
        const isKnown = cached !== undefined && yesOrNoIn(keys.holds(cached.key), "the key set");
        const verified = isKnown ? cached : read(token, digest);
        return withAnswer(verified, (it) => verificationOf(it, peer.thumbprint, nowMs));
      }, refusedBy);
    },
  };
}

function refusedBy(error: unknown): Verification {
  return { finding: findingOf(error) };
}

function findingOf(error: unknown): Finding {
  if (error instanceof TokenExpired)
    return { verdict: "invalid", reason: Reason.CREDENTIAL_EXPIRED, cause: error.message };
  if (error instanceof TokenProblem) return invalid(error.message);
  // jose's messages name what it looked at, never values.
  if (error instanceof errors.JOSEError) return invalid(`the token is refused: ${error.code}: ${error.message}`);
  // No keys, no list, or a defect of ours: whatever it is, nobody has checked the token.
  return { verdict: "unavailable", cause: error instanceof Error ? error.message : "the token could not be checked" };
}

type Settings = ExpectedClaims & Required<Pick<BearerOptions, "algorithms" | "maxCachedTokens">>;

function refuseNonsense(options: Settings): void {
  const { issuer, audience, algorithms, maxLifetimeSeconds, clockSkewSeconds, maxCachedTokens } = options;
  if (issuer === "" || audience === "") throw new TypeError("bearer() needs an issuer and an audience.");
  if (algorithms.length === 0 || !algorithms.every((alg) => knownAlgorithms.includes(alg))) {
    throw new TypeError(`bearer() takes tokens signed with ${knownAlgorithms.join(", ")} and nothing else.`);
  }
  if (!["required", "none"].includes(options.certificateBound)) {
    throw new TypeError('certificateBound is "required" or "none".');
  }
  for (const value of [maxLifetimeSeconds, clockSkewSeconds, maxCachedTokens]) {
    if (!(value >= 0 && value < Number.POSITIVE_INFINITY)) {
      throw new TypeError("The numbers of bearer() are finite and not negative.");
    }
  }
}
