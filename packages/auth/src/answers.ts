import { clientId } from "./client-id.ts";
import type { Finding, Grant } from "./decision.ts";
import { Reason } from "./gen/zerotrust/auth/v1/policy_pb.ts";
import { maxWaitMs } from "./limits/limit-store.ts";
import type { PendingSignature, Recheck } from "./verifier.ts";
import { isThenable } from "./with-answer.ts";

// What verifiers and grants answer is read here and nowhere else. It is parsed, not trusted: types hold at compile time, and a
// store that answers nonsense must refuse the call and never let it in.

/** A verification that may have to wait for the call's message. */
export interface OpenVerification {
  readonly finding: Finding;
  readonly id?: string | undefined;
  readonly recheck?: Recheck | undefined;
  readonly signature?: PendingSignature;
}

/** "Could not check", in place of what was thrown or answered. */
export function unavailable(cause: string): Finding {
  return { verdict: "unavailable", cause };
}

/** The words for the log of whatever was thrown. */
export function causeOf(error: unknown): string {
  try {
    if (error instanceof Error && typeof error.message === "string") return error.message;
  } catch {
    // A message that throws when it is read says nothing either.
  }
  return "something that is not an error was thrown";
}

/** Lets go of an answer that should have been there at once: nobody waits for it, and its rejection is nobody's. */
export function forsake(answer: unknown): void {
  if (isThenable(answer)) answer.then(undefined, () => undefined);
}

/**
 * A yes or a no: `undefined`, or a promise of one, is neither.
 *
 * @throws Error for anything else, naming what was asked
 */
export function yesOrNoIn(answer: unknown, asked: string): boolean {
  forsake(answer);
  if (typeof answer !== "boolean") throw new Error(`${asked} answered neither yes nor no`);
  return answer;
}

/** A finding; whatever is none is `unavailable`. */
export function findingIn(answer: unknown): Finding {
  forsake(answer);
  if (!isObject(answer)) return unavailable("a verifier answered nonsense");
  const { verdict, client, scopes, reason } = answer;
  const cause = typeof answer["cause"] === "string" ? answer["cause"] : "no cause was given";
  switch (verdict) {
    case "verified":
      if (!isClient(client)) return unavailable("a verifier found a client that is none");
      if (!(scopes instanceof Set)) return unavailable("a verifier found no set of scopes");
      return { verdict, client, scopes };
    case "invalid":
      return isReason(reason) ? { verdict, reason, cause } : unavailable("a verifier refused for no known reason");
    case "pending":
      return { verdict };
    case "unavailable":
      return { verdict, cause };
    case "limited":
      return { verdict, cause, ...waitIn(answer["retryAfterMs"]) };
    default:
      return unavailable("a verifier answered with an unknown verdict");
  }
}

/** What the claim of a nonce says against the call; undefined for a first use. */
export function claimIn(answer: unknown): Finding | undefined {
  if (answer === undefined) return undefined;
  const finding = findingIn(answer);
  return finding.verdict === "verified" ? unavailable("a nonce was claimed with a nonsensical answer") : finding;
}

/** A verification; whatever is none is `unavailable`. Nothing is pending without a signature to go on with. */
export function verificationIn(answer: unknown): OpenVerification {
  if (!isObject(answer)) return { finding: unavailable("a verifier answered nonsense") };
  const { id, recheck, signature } = answer;
  const finding = findingIn(answer["finding"]);
  if (id !== undefined && typeof id !== "string")
    return { finding: unavailable("a verifier gave an id that is no text") };
  if (recheck !== undefined && typeof recheck !== "function") {
    return { finding: unavailable("a verifier gave a recheck that is no function") };
  }
  const again = recheck as Recheck | undefined;
  if (finding.verdict !== "pending") return { finding, id, recheck: again };
  if (!isSignature(signature)) {
    return { finding: unavailable("a verifier gave no signature to check"), id, recheck: again };
  }
  return { finding, id, recheck: again, signature };
}

/**
 * What the grants give to a SPIFFE ID; undefined where it has none.
 *
 * @throws Error when the grants are no map, or the grant is none
 */
export function grantIn(grants: unknown, spiffeId: string): Grant | undefined {
  forsake(grants);
  if (!(grants instanceof Map)) throw new Error("the grants are no map");
  const grant: unknown = grants.get(spiffeId);
  if (grant === undefined) return undefined;
  if (!isObject(grant)) throw new Error("the peer's grant is nonsense");
  const { client, scopes } = grant;
  if (!isClient(client) || !(scopes instanceof Set)) throw new Error("the peer's grant lacks its client or its scopes");
  return { client, scopes };
}

/** How long to wait, where that is a time to wait. */
function waitIn(retryAfterMs: unknown): { readonly retryAfterMs?: number } {
  return typeof retryAfterMs === "number" && retryAfterMs >= 0 && retryAfterMs <= maxWaitMs ? { retryAfterMs } : {};
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function isClient(value: unknown): value is string {
  return typeof value === "string" && clientId.test(value);
}

function isReason(value: unknown): value is Reason {
  return value !== Reason.UNSPECIFIED && Object.values(Reason).some((reason) => reason === value);
}

function isSignature(value: unknown): value is PendingSignature {
  return isObject(value) && typeof value["check"] === "function" && typeof value["claim"] === "function";
}
