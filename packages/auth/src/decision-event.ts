import type { Credential } from "./gen/zerotrust/auth/v1/policy_pb.ts";
import { nameOf } from "./policy.ts";

declare const isHarmless: unique symbol;

/** Text that `printable` made harmless: what a caller controls cannot stand in a {@link DecisionEvent} in any other form. */
export type Printable = string & { readonly [isHarmless]: true };

/**
 * How a call was decided, or what became of it after.
 *
 * `abandoned`: it ended before it was decided; `failed`: it was let in, and its handler threw into us; `ended`: it was let in,
 * and cut short since it would not be any more; `would-refuse` and `would-end`: in shadow mode, what would have been done.
 */
export type DecisionOutcome = "allowed" | "refused" | "abandoned" | "failed" | "ended" | "would-refuse" | "would-end";

/** One decision, as the decision log gets it: no secret, no token, no message body. */
export interface DecisionEvent {
  readonly time: Date;
  /** The full method name. */
  readonly method: Printable;
  readonly outcome: DecisionOutcome;
  /** In shadow mode, in which every call is let in. */
  readonly shadow?: true;
  /** The name of the `Reason`, where refused or ended. */
  readonly reason?: Printable;
  /** Why, in words for the operator; never sent to the caller. */
  readonly cause?: Printable;
  /** The SPIFFE ID of the peer. */
  readonly peer?: Printable;
  /** Base64url SHA-256 of the peer's certificate. */
  readonly certificate?: Printable;
  readonly client?: Printable;
  /** The kinds of credentials that were presented and looked at. */
  readonly credentials: readonly Printable[];
  /** Ids of keys and tokens (`jti`); never the key or token itself. */
  readonly credentialIds: readonly Printable[];
  /** The rule that let the call in: `MTLS+BEARER write:payments`. */
  readonly rule?: Printable;
  readonly latencyMs: number;
}

/** One decision as numbers for metrics: nothing in it that a caller could multiply. */
export interface DecisionMeasure {
  /** The full name of a method that has a policy; `unregistered` for any other. */
  readonly method: string;
  readonly outcome: DecisionOutcome;
  /** The name of the `Reason`, where refused or ended. */
  readonly reason?: string;
  readonly latencyMs: number;
}

/** Longest caller-controlled text that goes into a log record. */
const maxTextLength = 256;

/** What secrets look like, whole or cut off: a caller may put one where it does not belong, in a path for instance. */
const secretText = new RegExp(
  [
    String.raw`\bsk-(?:live|test)-[\w-]+`, // API key
    String.raw`\bhs-[\w-]{10,}`, // signing secret
    String.raw`\beyJ[\w-]{10,}[\w.-]*`, // JWT
    // Values of an authorization header; but not the rule of a decision, `BEARER read:orders`: no token has a colon.
    String.raw`\b(?:Basic|Bearer) +(?![a-z]+:[a-z])[\w.~+/=-]+`,
    "-----BEGIN [A-Z ]*PRIVATE KEY-----.*",
  ].join("|"),
  "gi",
);

/** Makes caller-controlled text harmless in a log: printable ASCII alone, not too much of it, and no secret that looks like one. */
export function printable(text: string): Printable {
  const cut = text.slice(0, maxTextLength);
  const clean = cut.replace(/[^\x20-\x7e]/g, "?").replace(secretText, "[redacted]");
  return (text.length > maxTextLength ? `${clean}...` : clean) as Printable;
}

const described = new WeakMap<DescribedRule, Printable>();

interface DescribedRule {
  readonly credentials: readonly Credential[];
  readonly scopes: readonly string[];
}

/** A rule in one line, made once. */
export function describeRule(rule: DescribedRule): Printable {
  const known = described.get(rule);
  if (known !== undefined) return known;
  const line = printable([rule.credentials.map(nameOf).join("+"), ...rule.scopes].join(" "));
  described.set(rule, line);
  return line;
}
