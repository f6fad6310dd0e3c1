import { type Log, recordLog } from "@zero-trust/server";
import type { Caller } from "./caller.ts";

/** Longest text of a caller's that goes into a record. */
const MAX_TEXT_LENGTH = 256;

/** One request to the token endpoint or the revocation endpoint, decided. */
export interface TokenRequest {
  /** The token endpoint unless given. */
  readonly endpoint?: "token" | "revocation" | undefined;
  /** "ignored": a revocation of what is no token of the client's. */
  readonly outcome: "issued" | "refused" | "failed" | "revoked" | "ignored";
  readonly caller?: Caller | undefined;
  /** What was asked for, as the caller put it. */
  readonly audience?: unknown;
  readonly scope?: unknown;
  /** The `jti` of the token. */
  readonly tokenId?: string | undefined;
  /** The OAuth error (RFC 6749, section 5.2). */
  readonly error?: string | undefined;
  /** Why, for the log only. */
  readonly cause?: string | undefined;
}

/** Writes one record a request: who asked for what, and what became of it; never a secret or a token. */
export type TokenLog = (request: TokenRequest) => void;

/** Creates the log of token and revocation requests. */
export function tokenLog(log: Log): TokenLog {
  const child = recordLog(log, "token");
  return ({ endpoint = "token", outcome, caller, audience, scope, tokenId, error, cause }) => {
    child.info(
      {
        outcome,
        client: caller?.client?.clientId,
        spiffeId: caller?.peer.spiffeId,
        certificate: caller?.peer.thumbprint,
        audience: shorten(audience),
        scopes: typeof scope === "string" ? shorten(scope)?.split(" ") : undefined,
        tokenId,
        error,
        cause: shorten(cause),
        latencyMs: caller === undefined ? undefined : Math.round((performance.now() - caller.startedMs) * 10) / 10,
      },
      `${endpoint} request`,
    );
  };
}

function shorten(value: unknown): string | undefined {
  const text = Array.isArray(value) ? value.join(" ") : value;
  if (typeof text !== "string") return undefined;
  return text.length > MAX_TEXT_LENGTH ? `${text.slice(0, MAX_TEXT_LENGTH)}…` : text;
}
