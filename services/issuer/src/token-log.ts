import { type Log, recordLog, type Telemetry } from "@zero-trust/server";
import type { Caller } from "./caller.ts";

/** Longest text of a caller's that goes into a record. */
const MAX_TEXT_LENGTH = 256;
/** Most scopes of a request that do. */
const MAX_SCOPES = 16;
/** What scopes and resources look like here. Anything else is not written: it may be a secret that has strayed into the field. */
const SCOPE = /^[a-z][a-z0-9:._-]{0,63}$/;
const RESOURCE = /^https:\/\/[a-z0-9.-]{1,253}(?::[0-9]{1,5})?$/;

/** One request to the token endpoint or the revocation endpoint, decided. */
export interface TokenRequest {
  /** The token endpoint unless given. */
  readonly endpoint?: "token" | "revocation" | undefined;
  /** "ignored": a revocation of what is no token of the client's. */
  readonly outcome: "issued" | "refused" | "failed" | "revoked" | "ignored";
  readonly caller?: Caller | undefined;
  /** What was asked for, as the caller put it; written as far as it has the form of such a thing. */
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

/** Creates the log of token and revocation requests, which are counted too. */
export function tokenLog(log: Log, telemetry?: Pick<Telemetry, "count" | "record">): TokenLog {
  const child = recordLog(log, "token");
  return ({ endpoint = "token", outcome, caller, audience, scope, tokenId, error, cause }) => {
    telemetry?.count("zt.token_requests", { endpoint, outcome, ...(error === undefined ? {} : { error }) });
    if (caller !== undefined) {
      telemetry?.record("zt.token_request.duration", (performance.now() - caller.startedMs) / 1000, {
        endpoint,
        outcome,
      });
    }
    child.info(
      {
        outcome,
        client: caller?.client?.clientId,
        spiffeId: caller?.peer.spiffeId,
        certificate: caller?.peer.thumbprint,
        audience: audience === undefined ? undefined : [audience].flat().map(known(RESOURCE)).join(" "),
        scopes: typeof scope === "string" ? scope.split(" ", MAX_SCOPES).map(known(SCOPE)) : undefined,
        tokenId,
        error,
        cause: shorten(cause),
        latencyMs: caller === undefined ? undefined : Math.round((performance.now() - caller.startedMs) * 10) / 10,
      },
      `${endpoint} request`,
    );
  };
}

function known(form: RegExp): (value: unknown) => string {
  return (value) => (typeof value === "string" && form.test(value) ? value : "?");
}

function shorten(text: string | undefined): string | undefined {
  return text !== undefined && text.length > MAX_TEXT_LENGTH ? `${text.slice(0, MAX_TEXT_LENGTH)}…` : text;
}
