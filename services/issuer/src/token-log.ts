import { type Log, recordLog } from "@zero-trust/server";
import type { Caller } from "./caller.ts";

/** Longest text of a caller's that goes into a record. */
const MAX_TEXT_LENGTH = 256;

/** One token request, decided. */
export interface TokenRequest {
  readonly outcome: "issued" | "refused" | "failed";
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

/** Writes one record a token request: who asked for what, and what became of it; never a secret or a token. */
export type TokenLog = (request: TokenRequest) => void;

/** Creates the log of token requests. */
export function tokenLog(log: Log): TokenLog {
  const child = recordLog(log, "token");
  return ({ outcome, caller, audience, scope, tokenId, error, cause }) => {
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
      "token request",
    );
  };
}

function shorten(value: unknown): string | undefined {
  const text = Array.isArray(value) ? value.join(" ") : value;
  if (typeof text !== "string") return undefined;
  return text.length > MAX_TEXT_LENGTH ? `${text.slice(0, MAX_TEXT_LENGTH)}…` : text;
}
