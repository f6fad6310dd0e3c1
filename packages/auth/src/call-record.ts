import type { Peer } from "@zero-trust/mtls";
import { timeOfRecord } from "./clock.ts";
import { type DecisionEvent, type DecisionOutcome, describeRule, type Printable, printable } from "./decision-event.ts";
import type { Credential, Reason } from "./gen/zerotrust/auth/v1/policy_pb.ts";
import type { GuardOptions } from "./guard-options.ts";
import { nameOf, type Rule } from "./policy.ts";
import { reasonName } from "./refusal.ts";
import { isThenable } from "./with-answer.ts";

/** What a record is about. */
export interface Recorded {
  readonly outcome: DecisionOutcome;
  readonly reason?: Reason;
  /** In words for the operator. */
  readonly cause?: string;
  readonly rule?: Rule;
}

/** The method as records name it. */
export interface RecordedMethod {
  readonly path: string;
  /** Undefined for one that is not registered. */
  readonly policy: object | undefined;
}

/** What became known of a call, and the records that are made of it. */
export class CallRecord {
  peer: Peer | undefined;
  client: string | undefined;
  /** Each of them once. */
  readonly credentials: Credential[] = [];
  readonly #ids: Printable[] = [];
  readonly #options: GuardOptions;
  readonly #method: RecordedMethod;
  readonly #isShadow: boolean;
  readonly #startedMs: number = performance.now();

  constructor(options: GuardOptions, method: RecordedMethod, isShadow: boolean) {
    this.#options = options;
    this.#method = method;
    this.#isShadow = isShadow;
  }

  /** Adds the id of a key or token; caller-controlled. */
  addId(id: string): void {
    this.#ids.push(printable(id));
  }

  /** Writes to the decision log. What it throws, or what the promise rejects with, says that it was not written. */
  write(recorded: Recorded): void | Promise<void> {
    return this.#options.onDecision(this.#eventOf(recorded));
  }

  /** Writes what is so whether it can be written or not, and counts it: a log that fails must not end the process. */
  note(recorded: Recorded): void {
    this.count(recorded);
    withoutFailing(() => this.write(recorded));
  }

  /** Counts a decision for the metrics. */
  count({ outcome, reason }: Recorded): void {
    const { onMeasure } = this.#options;
    if (onMeasure === undefined) return;
    const { path, policy } = this.#method;
    withoutFailing(() =>
      onMeasure({
        method: policy === undefined ? "unregistered" : path,
        outcome,
        ...(reason === undefined ? {} : { reason: reasonName(reason) }),
        latencyMs: this.#latencyMs,
      }),
    );
  }

  get #latencyMs(): number {
    return performance.now() - this.#startedMs;
  }

  #eventOf({ outcome, reason, cause, rule }: Recorded): DecisionEvent {
    const { peer, client } = this;
    const event: { -readonly [Field in keyof DecisionEvent]: DecisionEvent[Field] } = {
      time: new Date(timeOfRecord(this.#options.now ?? Date.now)),
      method: printable(this.#method.path),
      outcome,
      credentials: this.credentials.map((credential) => printable(nameOf(credential) ?? "?")),
      credentialIds: [...this.#ids],
      latencyMs: this.#latencyMs,
    };
    if (this.#isShadow) event.shadow = true;
    if (reason !== undefined) event.reason = printable(reasonName(reason));
    if (cause !== undefined) event.cause = printable(cause);
    if (peer !== undefined) event.peer = printable(peer.spiffeId);
    if (peer !== undefined) event.certificate = printable(peer.thumbprint);
    if (client !== undefined) event.client = printable(client);
    if (rule !== undefined) event.rule = describeRule(rule);
    return event;
  }
}

function withoutFailing(tell: () => unknown): void {
  try {
    const told = tell();
    if (isThenable(told)) told.then(undefined, () => undefined);
  } catch {
    // The decision stands without it.
  }
}
