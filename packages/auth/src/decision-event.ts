import type { Credential } from "./gen/zerotrust/auth/v1/policy_pb.ts";
import { nameOf } from "./policy.ts";

/** One decision, as the decision log gets it: no secret, no token, no message body. */
export interface DecisionEvent {
  readonly time: Date;
  /** The full method name, made printable. */
  readonly method: string;
  /**
   * `abandoned`: the call ended before it was decided; `failed`: it was let in, and its handler threw into us; `ended`: it was
   * let in, and cut short since it would not be any more.
   */
  readonly outcome: "allowed" | "refused" | "abandoned" | "failed" | "ended";
  /** The name of the `Reason`, where refused or ended. */
  readonly reason?: string;
  /** Why, in words for the operator; never sent to the caller. */
  readonly cause?: string;
  /** The SPIFFE ID of the peer. */
  readonly peer?: string;
  /** Base64url SHA-256 of the peer's certificate. */
  readonly certificate?: string;
  readonly client?: string;
  /** The kinds of credentials that were presented and looked at. */
  readonly credentials: readonly string[];
  /** Ids of keys and tokens (`jti`), made printable; never the key or token itself. */
  readonly credentialIds: readonly string[];
  /** The rule that let the call in: `MTLS+BEARER write:payments`. */
  readonly rule?: string;
  readonly latencyMs: number;
}

/** Longest caller-controlled text that goes into a log record. */
const maxTextLength = 256;

/** Makes caller-controlled text harmless in a log: printable ASCII alone, and not too much of it. */
export function printable(text: string): string {
  const clean = text.slice(0, maxTextLength).replace(/[^\x20-\x7e]/g, "?");
  return text.length > maxTextLength ? `${clean}…` : clean;
}

/** A rule in one line. */
export function describeRule(rule: {
  readonly credentials: readonly Credential[];
  readonly scopes: readonly string[];
}): string {
  return [rule.credentials.map(nameOf).join("+"), ...rule.scopes].join(" ");
}
