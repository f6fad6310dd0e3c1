import { type Metadata, status } from "@grpc/grpc-js";
import { causeOf } from "./answers.ts";
import type { CallRecord, Recorded } from "./call-record.ts";
import { timeOfRecord } from "./clock.ts";
import type { EndableCall } from "./endable-call.ts";
import { Reason } from "./gen/zerotrust/auth/v1/policy_pb.ts";
import type { GuardOptions } from "./guard-options.ts";
import type { Limiter } from "./limits/limiter.ts";
import type { OpenCall, OpenCalls, Place, Round } from "./open-calls.ts";
import { refusal } from "./refusal.ts";
import { type Admission, RunningCall } from "./running-call.ts";

/** What all the calls of one `protect()` share. */
export interface Guard {
  readonly options: GuardOptions;
  readonly limiter: Limiter;
  readonly open: OpenCalls;
  /** The metadata that no handler gets to see. */
  readonly hiddenKeys: readonly string[];
  readonly timeoutMs: number;
  /** Lets every call in, and writes down what would have been done. */
  readonly isShadow: boolean;
}

/**
 * Where a call stands. Messages pass in `in` alone, and nothing comes back from `out`: a call that is refused, or that ended
 * while somebody was being asked about it.
 */
type Standing = "judged" | "waits for its message" | "in" | "out";

/** What a call passes on its way in, once: it is let in, or turned away, or ends before. What is done to it is done here. */
export class Gate implements OpenCall {
  readonly #guard: Guard;
  readonly #call: EndableCall;
  readonly #record: CallRecord;
  /** What has come of the call and waits for the decision; it comes in this order. */
  #metadata: Metadata | undefined;
  #message: { readonly message: unknown } | undefined;
  #isHalfClosed = false;
  #standing: Standing = "judged";
  /** By what it was let in, from then until its end; and where it is among the calls that run. */
  #admission: Admission | undefined;
  #place: Place | undefined;
  #running: RunningCall | undefined;

  constructor(guard: Guard, call: EndableCall, record: CallRecord) {
    this.#guard = guard;
    this.#call = call;
    this.#record = record;
  }

  get standing(): Standing {
    return this.#standing;
  }

  /** Metadata is being judged, and is handed on when the call is let in; so are the others. */
  holdMetadata(metadata: Metadata): void {
    this.#standing = "judged";
    this.#metadata = metadata;
  }

  holdMessage(message: unknown): void {
    this.#standing = "judged";
    this.#message = { message };
  }

  holdHalfClose(): void {
    this.#standing = "judged";
    this.#isHalfClosed = true;
  }

  /** The signature is over a message that is still to come. */
  awaitMessage(): void {
    this.#standing = "waits for its message";
  }

  /** The caller has said all. It comes last, so it waits where the rest does. */
  halfClose(): void {
    if (this.#standing === "in") this.#call.handOnHalfClose();
    else this.#isHalfClosed = true;
  }

  letIn(admission: Admission): void {
    this.#standing = "in";
    this.#admission = admission;
    this.#place = this.#guard.open.add(this);
    this.#handOn();
  }

  /** Most calls are over before they are judged a second time. */
  recheck(round: Round): void {
    if (this.#admission === undefined) return;
    this.#running ??= new RunningCall(this.#admission, (reason, cause) => this.#end(reason, cause));
    this.#running.recheck(round);
  }

  /** In `retryAfterMs` it is worth trying again, where that is known. */
  refuse(reason: Reason, cause: string, retryAfterMs?: number): void {
    const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
    this.#turnAway(refusal(reason, this.#nowMs(), wait), { reason, cause });
  }

  /**
   * Whoever has grants may learn that there is no such method; nobody else does. It is answered here and not passed on,
   * so that a service that was registered and forgotten in `policies` is as good as absent.
   */
  refuseUnknownMethod(): void {
    const answer = { code: status.UNIMPLEMENTED, details: "The method is not implemented." };
    this.#turnAway(answer, { cause: "there is no policy for such a method" });
  }

  /** Before the decision, something could not be checked; after it, what follows us threw, and the caller waits. */
  failed(error: unknown): void {
    if (this.#isUndecided()) {
      try {
        this.refuse(Reason.CHECK_UNAVAILABLE, causeOf(error));
        return;
      } catch {
        // In shadow mode a refused call goes on, and what follows us threw.
      }
    }
    if (this.#standing !== "in") return;
    this.#leave();
    this.#call.refuse({ code: status.INTERNAL, details: "" });
    this.#record.note({ outcome: "failed", cause: causeOf(error) });
  }

  /** The call is over, whoever ended it. */
  closed(): void {
    const wasUndecided = this.#isUndecided();
    this.#leave();
    if (wasUndecided) this.#record.note({ outcome: "abandoned", cause: "the call ended before it was decided" });
  }

  #isUndecided(): boolean {
    return this.#standing === "judged" || this.#standing === "waits for its message";
  }

  #turnAway(answer: Parameters<EndableCall["refuse"]>[0], why: Omit<Recorded, "outcome">): void {
    if (!this.#isUndecided()) return;
    if (this.#guard.isShadow) {
      this.#standing = "in";
      this.#record.note({ outcome: "would-refuse", ...why });
      this.#handOn();
      return;
    }
    this.#leave();
    this.#call.refuse(answer);
    this.#record.note({ outcome: "refused", ...why });
  }

  /** Whoever is not known any more is told so, and the handler stops. */
  #end(reason: Reason, cause: string): void {
    if (this.#guard.isShadow) {
      this.#standDown();
      this.#record.note({ outcome: "would-end", reason, cause });
      return;
    }
    this.#leave();
    try {
      this.#call.end(refusal(reason, this.#nowMs(), { ended: true }));
    } catch (error) {
      this.#record.note({ outcome: "failed", cause: causeOf(error) }); // the handler, when it heard that its call is over
    }
    this.#record.note({ outcome: "ended", reason, cause });
  }

  #leave(): void {
    this.#standing = "out";
    this.#metadata = undefined;
    this.#message = undefined;
    this.#isHalfClosed = false;
    this.#standDown();
  }

  /** It is not judged again. */
  #standDown(): void {
    if (this.#place === undefined) return;
    this.#guard.open.delete(this.#place);
    this.#place = undefined;
    this.#running?.stop();
    this.#running = undefined;
    this.#admission = undefined;
  }

  /** Once: what waits for a decision is handed on by it. */
  #handOn(): void {
    const metadata = this.#metadata;
    const message = this.#message;
    const isHalfClosed = this.#isHalfClosed;
    this.#metadata = undefined;
    this.#message = undefined;
    this.#isHalfClosed = false;
    if (metadata !== undefined) this.#call.handOnMetadata(metadata);
    if (message !== undefined) this.#call.handOnMessage(message.message);
    if (isHalfClosed) this.#call.handOnHalfClose();
  }

  #nowMs(): number {
    return timeOfRecord(this.#guard.options.now ?? Date.now);
  }
}
