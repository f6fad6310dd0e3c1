import { decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from "jose";
import { clientId } from "../client-id.ts";
import type { Finding } from "../decision.ts";
import { Credential, Reason } from "../gen/zerotrust/auth/v1/policy_pb.ts";
import { type CallFacts, invalid, type MetadataVerifier, singleValue, type Verification } from "../verifier.ts";
import { type KeySet, KeysUnavailable } from "./jwks.ts";

/** The signature algorithms that a token may have (RFC 8725 §3.1); never `none`, never a symmetric one. */
export type TokenAlgorithm = "ES256" | "Ed25519" | "PS256" | "RS256";

/** What the server side of bearer tokens needs. */
export interface BearerOptions {
  /** The authorization server, compared letter by letter with `iss`. */
  readonly issuer: string;
  /** This service, which has to be the token's only `aud`. */
  readonly audience: string;
  /** The authorization server's keys: `jwks({…})`. */
  readonly keys: KeySet;
  /** @defaultValue `["ES256"]` */
  readonly algorithms?: readonly TokenAlgorithm[];
  /** The longest life of a token, `exp` − `iat`, in seconds. @defaultValue 300 */
  readonly maxLifetimeSeconds?: number;
  /** How far clocks may disagree, in seconds. @defaultValue 5 */
  readonly clockSkewSeconds?: number;
}

/** A token of ours has about 700 bytes; what is larger is not looked at. */
const maxTokenBytes = 8 * 1024;
/** Base64url without padding, three parts (RFC 7515 §7.1). jose tolerates more; RFC 8725 tells us not to. */
const bearerToken = /^Bearer ([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)$/;
/** Header parameters that bring a key along, or change what the token means. */
const refusedParameters = ["crit", "b64", "zip", "jwk", "jku", "x5c", "x5u", "x5t", "x5t#S256"];
const keyId = /^[A-Za-z0-9._-]{1,128}$/;
const requiredClaims = ["iss", "aud", "exp", "iat", "sub", "client_id", "jti"];

/**
 * Verifies OAuth 2.0 access tokens in `authorization`: JWTs by RFC 9068, bound to the caller's certificate by
 * RFC 8705 §3, with the checks of RFC 8725.
 *
 * @param options - whose tokens, for which service
 */
export function bearer(options: BearerOptions): MetadataVerifier {
  const { issuer, audience, keys, algorithms = ["ES256"], maxLifetimeSeconds = 300, clockSkewSeconds = 5 } = options;

  async function check(token: string, call: CallFacts): Promise<Verification> {
    const problem = headerProblem(token);
    if (problem !== undefined) return { finding: invalid(problem) };
    const { payload } = await jwtVerify(token, keys.getKey, {
      algorithms: [...algorithms],
      typ: "at+jwt",
      issuer,
      audience,
      requiredClaims,
      clockTolerance: clockSkewSeconds,
      currentDate: new Date(call.nowMs),
    });
    const id = typeof payload.jti === "string" ? payload.jti : "";
    return { id, finding: judge(payload, call) };
  }

  function judge(payload: JWTPayload, call: CallFacts): Finding {
    const problem = lifetimeProblem(payload, call) ?? claimProblem(payload);
    if (problem !== undefined) return invalid(problem);
    if (thumbprintOf(payload["cnf"]) !== call.peer.thumbprint) {
      return invalid("the token is bound to another certificate, or to none");
    }
    const { scope, client_id: client } = payload;
    const scopes = new Set(typeof scope === "string" ? scope.split(" ").filter(isText) : []);
    return { verdict: "verified", client: client as string, scopes };
  }

  function lifetimeProblem({ exp, iat }: JWTPayload, call: CallFacts): string | undefined {
    if (exp === undefined || iat === undefined) return "the token has no lifetime";
    if (iat > Math.floor(call.nowMs / 1000) + clockSkewSeconds) return "the token is from the future";
    return exp - iat > maxLifetimeSeconds ? "the token lives longer than any of this issuer's" : undefined;
  }

  return {
    credential: Credential.BEARER,
    metadataKeys: ["authorization"],
    isPresented: (metadata) => metadata.get("authorization").length > 0,
    async verify(metadata, call) {
      const value = singleValue(metadata, "authorization");
      if (value === undefined || value.length > maxTokenBytes) return { finding: invalid("the token is too large") };
      const token = bearerToken.exec(value)?.[1];
      if (token === undefined) return { finding: invalid("authorization is not a bearer token") };
      try {
        return await check(token, call);
      } catch (error) {
        return { finding: findingOf(error) };
      }
    },
  };
}

/** What jose does not look at: the types of claims, and that there is one audience. */
function claimProblem({ aud, sub, jti, client_id: client, scope }: JWTPayload): string | undefined {
  // One token, one service: a second audience could take it there and use it.
  if (typeof aud !== "string" && aud?.length !== 1) return "the token has several audiences";
  if (!isText(sub) || !isText(jti)) return "the token's sub or jti is not a text";
  if (!isText(client) || !clientId.test(client)) return "the token's client_id is malformed";
  return scope !== undefined && typeof scope !== "string" ? "the token's scope is not a text" : undefined;
}

function headerProblem(token: string): string | undefined {
  const header = decodeProtectedHeader(token);
  const refused = refusedParameters.find((name) => Object.hasOwn(header, name));
  if (refused !== undefined) return `the token's header carries ${refused}`;
  if (typeof header.kid !== "string" || !keyId.test(header.kid)) return "the token's kid is missing or malformed";
  return undefined;
}

function findingOf(error: unknown): Finding {
  if (error instanceof KeysUnavailable) return { verdict: "unavailable", cause: error.message };
  if (error instanceof errors.JWTExpired) {
    return { verdict: "invalid", reason: Reason.CREDENTIAL_EXPIRED, cause: "the token has expired" };
  }
  // jose's messages name claims and codes, never values.
  if (error instanceof errors.JOSEError) return invalid(`the token is refused: ${error.code}: ${error.message}`);
  if (error instanceof TypeError) return invalid("the token is malformed");
  throw error;
}

function thumbprintOf(cnf: unknown): unknown {
  return typeof cnf === "object" && cnf !== null && "x5t#S256" in cnf ? cnf["x5t#S256"] : undefined;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
