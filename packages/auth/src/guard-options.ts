import type { DecisionEvent, DecisionMeasure } from "./decision-event.ts";
import type { GrantSource } from "./grants.ts";
import type { LimitsOptions } from "./limits/limiter.ts";
import type { unsafeShadowMode } from "./shadow-mode.ts";
import type { Verifier } from "./verifier.ts";

/** What deciding a call needs besides its policy. */
export interface GuardOptions {
  /** The trust domain whose workloads may connect: `production.internal`. */
  readonly trustDomain: string;
  /** Which SPIFFE ID is which client, with which scopes. */
  readonly grants: GrantSource;
  /** The verifiers: `apiKey({…})`, `bearer({…})`, `hmac({…})`, at most one of each. */
  readonly credentials: readonly Verifier[];
  /**
   * Gets every decision, once a call; and after an `allowed` one `failed`, `ended`, `refused` or `abandoned` where it came to
   * that. A call waits for what it returns before it is let in; where it throws, rejects or does not answer in time, the call is
   * refused.
   */
  readonly onDecision: (event: DecisionEvent) => void | Promise<void>;
  /**
   * Which calls need their decision in the log, and are refused while it cannot be written: all of them, or those of methods
   * with side effects. The others are let in then, and are on no record. @defaultValue `"required"`
   */
  readonly decisionLog?: "required" | "required-for-side-effects";
  /** Gets every decision as numbers for metrics. It is not waited for, and what it throws touches no call. */
  readonly onMeasure?: (measure: DecisionMeasure) => void;
  /**
   * How long the decision of one call may wait for verifiers, nonce store and decision log, in all, in milliseconds; the time
   * until the caller has sent its message is not counted. @defaultValue 500
   */
  readonly decisionTimeoutMs?: number;
  /** How many calls a workload and a client may make, and how many wrong credentials a workload may show. */
  readonly limits?: LimitsOptions;
  /** Milliseconds since 1970. @defaultValue `Date.now` */
  readonly now?: () => number;
  /**
   * Lets every call in.
   *
   * @deprecated In shadow mode nothing is protected; see {@link unsafeShadowMode}.
   */
  // oxlint-disable-next-line typescript/no-deprecated -- its one use
  readonly [unsafeShadowMode]?: true;
}
