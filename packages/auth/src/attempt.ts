import type { Metadata, ServerInterceptingCallInterface } from "@grpc/grpc-js";
import { type CallPeer, type Peer, peerOfCall } from "@zero-trust/mtls";
import { causeOf, claimIn, findingIn, grantIn, unavailable } from "./answers.ts";
import { CallBudget } from "./call-budget.ts";
import { CallRecord } from "./call-record.ts";
import { readClock } from "./clock.ts";
import { decide, type Finding, limited, type Refused, rulesFor } from "./decision.ts";
import { EndableCall, type Judge } from "./endable-call.ts";
import { Gate, type Guard } from "./gate.ts";
import { Credential, Reason } from "./gen/zerotrust/auth/v1/policy_pb.ts";
import { setIdentity } from "./identity.ts";
import type { Against } from "./limits/limiter.ts";
import type { MethodPolicy, Rule } from "./policy.ts";
import { type Presented, presentedOf, verifyPresented } from "./presented-credentials.ts";
import type { PendingSignature } from "./verifier.ts";
import { type Answer, orElse, withAnswer } from "./with-answer.ts";

/** The method that is called. */
export interface CalledMethod {
  /** `/package.Service/Method` */
  readonly path: string;
  /** Undefined for a method that is not registered, or was forgotten. */
  readonly policy: MethodPolicy | undefined;
  /** The credentials that its rules name. */
  readonly named: ReadonlySet<Credential>;
}

/** The share of the time that is kept for the decision log, so that a verifier which hangs does not use up all of it. */
const logShare = 0.2;

/** Who sends the signed message later than this was checked too long ago, in milliseconds; revocation takes no longer either. */
const maxMessageWaitMs = 30_000;

/** The credentials that rules name. */
export function credentialsOf(rules: readonly Rule[]): ReadonlySet<Credential> {
  return new Set(rules.flatMap((rule) => rule.credentials));
}

/** One call on its way in, and until its end. */
export class Attempt implements Judge {
  /** What the handler gets to see of the call. */
  readonly call: EndableCall;
  readonly #guard: Guard;
  readonly #method: CalledMethod;
  readonly #wire: ServerInterceptingCallInterface;
  readonly #now: () => number;
  readonly #record: CallRecord;
  readonly #budget: CallBudget;
  readonly #gate: Gate;
  readonly #findings = new Map<Credential, Finding>();
  #rules: readonly Rule[] = [];
  #peer: CallPeer | undefined;
  #metadata: Metadata | undefined;
  #presented: readonly Presented[] = [];
  #signature: PendingSignature | undefined;
  /** When its metadata was looked at, on a clock that nobody sets. */
  #judgedAtMs = 0;
  readonly #wait: CallBudget["wait"] = (answer) => this.#budget.wait(answer, this.#guard.timeoutMs * logShare);

  /** @param decode - decodes a message, where that was put off until the call is let in */
  constructor(
    guard: Guard,
    method: CalledMethod,
    wire: ServerInterceptingCallInterface,
    decode?: (bytes: Buffer) => unknown,
  ) {
    this.#guard = guard;
    this.#method = method;
    this.#wire = wire;
    this.#now = guard.options.now ?? Date.now;
    this.#record = new CallRecord(guard.options, method, guard.isShadow);
    this.#budget = new CallBudget(guard.timeoutMs);
    this.call = new EndableCall(wire, this, decode);
    this.#gate = new Gate(guard, this.call, this.#record);
  }

  onMetadata(metadata: Metadata): void {
    this.#failClosed(() => this.#judgeMetadata(metadata));
  }

  onMessage(message: unknown): void {
    this.#failClosed(() => this.#judgeMessage(message));
  }

  /** A signed call without a message is a call without a signature; one that is being cancelled looks like it at first. */
  onHalfClose(): void {
    if (this.#gate.standing === "out") return;
    if (this.#gate.standing !== "waits for its message") {
      this.#gate.halfClose();
      return;
    }
    setImmediate(() => {
      if (this.#gate.standing !== "waits for its message") return;
      this.#gate.holdHalfClose();
      try {
        this.#gate.refuse(Reason.CREDENTIAL_INVALID, "the signed message is missing");
      } catch (error) {
        this.#gate.failed(error);
      }
    });
  }

  onEnd(): void {
    this.#gate.closed();
  }

  /** Steps 1 to 5, as far as the metadata tells; a signature stays open until its message is there. */
  #judgeMetadata(metadata: Metadata): Answer<void> {
    this.#metadata = metadata;
    this.#judgedAtMs = performance.now();
    this.#gate.holdMetadata(metadata);
    const nowMs = readClock(this.#now);
    const peer = this.#identifyPeer(nowMs);
    if (peer === undefined) return;
    const { limiter } = this.#guard;
    return this.#unlessLimited(limiter.takeOfPeer(peer.spiffeId), () => this.#judgePeer(peer, metadata, nowMs));
  }

  #judgePeer(peer: Peer, metadata: Metadata, nowMs: number): Answer<void> {
    const { options, limiter } = this.#guard;
    const grant = grantIn(options.grants.current(), peer.spiffeId);
    this.#record.client = grant?.client;
    const { path, policy } = this.#method;
    if (policy === undefined) {
      if (grant === undefined) this.#gate.refuse(Reason.PEER_NOT_GRANTED, "the peer holds no grant; no such method");
      else this.#gate.refuseUnknownMethod();
      return;
    }
    this.#rules = rulesFor(policy.rules, grant);
    if (this.#rules.length === 0) {
      this.#gate.refuse(Reason.PEER_NOT_GRANTED, "the peer's grants meet no rule of the method");
      return;
    }
    const named = this.#rules === policy.rules ? this.#method.named : credentialsOf(this.#rules);
    if (grant !== undefined && named.has(Credential.MTLS)) {
      this.#find(Credential.MTLS, { verdict: "verified", ...grant });
    }
    const call = { path, peer, nowMs, named };
    const presented = presentedOf(options.credentials, metadata, call);
    if (presented.length === 0) return this.#conclude();
    // Before any is looked at, so that the answer is the same for a good one and a wrong one.
    return this.#unlessLimited(limiter.takeOfFailures(peer.spiffeId, 0), () =>
      withAnswer(verifyPresented(presented, metadata, call, this.#wait), (verified) => {
        this.#presented = verified;
        for (const each of verified) this.#hear(each);
        return this.#conclude();
      }),
    );
  }

  /** Step 6: signature, rules once more with what it proved, nonce; then the message may be decoded. */
  #judgeMessage(message: unknown): Answer<void> {
    if (this.#gate.standing === "in") {
      this.call.handOnMessage(message);
      return;
    }
    const signature = this.#signature;
    // Refused, or a second message while the first is looked at: nobody gets to see it.
    if (this.#gate.standing !== "waits for its message" || signature === undefined) return;
    this.#signature = undefined;
    this.#gate.holdMessage(message);
    if (!(message instanceof Uint8Array)) {
      throw new Error("the message is decoded already: register the service with wireBytes()");
    }
    if (performance.now() - this.#judgedAtMs > maxMessageWaitMs) {
      this.#gate.refuse(Reason.CREDENTIAL_EXPIRED, "the signed message came too long after its signature");
      return;
    }
    const nowMs = readClock(this.#now);
    this.#find(Credential.HMAC, findingIn(signature.check(message)));
    const decision = decide(this.#rules, this.#findings);
    if (decision.outcome !== "allowed") return this.#conclude();
    // Asked before, so that a flood does not fill the store of nonces; taken after, so that a replay costs its client nothing.
    return this.#unlessClientLimited(decision.client, 0, () => this.#spend(signature, nowMs));
  }

  /** Last, so that only a call that is let in uses up its nonce. */
  #spend(signature: PendingSignature, nowMs: number): Answer<void> {
    if (!this.#isJudged) return;
    const spent = orElse<Finding | undefined>(
      () => withAnswer<unknown, Finding | undefined>(this.#wait(signature.claim(nowMs)), claimIn),
      (error) => unavailable(causeOf(error)),
    );
    return withAnswer(spent, (finding) => {
      if (finding !== undefined) this.#find(Credential.HMAC, finding);
      return this.#conclude();
    });
  }

  /** Whatever is thrown while a call is judged says that it could not be. */
  #failClosed(judge: () => Answer<void>): void {
    void orElse(judge, (error) => this.#gate.failed(error));
  }

  #identifyPeer(nowMs: number): CallRecord["peer"] {
    try {
      this.#peer = peerOfCall(this.#wire);
      this.#record.peer = this.#peer({ trustDomain: this.#guard.options.trustDomain, now: () => nowMs });
    } catch (error) {
      this.#gate.refuse(Reason.PEER_INVALID, causeOf(error));
    }
    return this.#record.peer;
  }

  #hear({ credential, verification: { finding, id, signature } }: Presented): void {
    this.#find(credential, finding);
    if (id !== undefined) this.#record.addId(id);
    this.#signature = signature ?? this.#signature;
  }

  #find(credential: Credential, finding: Finding): void {
    if (!this.#findings.has(credential)) this.#record.credentials.push(credential);
    this.#findings.set(credential, finding);
  }

  /** Decides by what was found, unless the call ended while it was being found. */
  #conclude(): Answer<void> {
    if (!this.#isJudged) return;
    const decision = decide(this.#rules, this.#findings);
    if (decision.outcome === "refused") return this.#refuse(decision);
    if (decision.outcome === "allowed") {
      const { rule, client } = decision;
      return this.#unlessClientLimited(client, 1, () => this.#allow(rule, client));
    }
    if (this.#signature === undefined) throw new Error("a signature was never checked");
    this.#gate.awaitMessage();
    this.call.readAhead();
  }

  /** Each word of "wrong" is taken from what the workload has: who has no more of them is not told. */
  #refuse({ reason, cause, retryAfterMs }: Refused): Answer<void> {
    const spiffeId = this.#record.peer?.spiffeId;
    const refuse = () => this.#gate.refuse(reason, cause, retryAfterMs);
    if (reason === Reason.CREDENTIAL_INVALID && spiffeId !== undefined) {
      return this.#unlessLimited(this.#guard.limiter.takeOfFailures(spiffeId), refuse, cause);
    }
    refuse();
  }

  #unlessClientLimited(client: string, cost: 0 | 1, goOn: () => Answer<void>): Answer<void> {
    if (this.#method.policy?.isProbe === true) return goOn();
    this.#record.client = client;
    return this.#unlessLimited(this.#guard.limiter.takeOfClient(client, cost), goOn);
  }

  /** Refuses the call if its caller has had what it may; throws, or rejects, where that cannot be asked. */
  #unlessLimited(asked: Against | PromiseLike<Against>, goOn: () => Answer<void>, besides?: string): Answer<void> {
    return withAnswer(this.#wait(asked), (against) => {
      if (against === undefined) return goOn();
      const { reason, cause, retryAfterMs } = limited(against);
      this.#gate.refuse(reason, besides === undefined ? cause : `${cause}; ${besides}`, retryAfterMs);
    });
  }

  #allow(rule: Rule, client: string): Answer<void> {
    if (!this.#isJudged) return;
    this.#record.client = client;
    const recorded = { outcome: "allowed", rule } as const;
    const failure = orElse<string | undefined>(
      () => withAnswer(this.#budget.wait(this.#record.write(recorded)), () => undefined),
      (error) => (this.#needsLog() ? causeOf(error) : undefined),
    );
    return withAnswer(failure, (cause) => {
      if (cause === undefined) this.#letIn(rule, client);
      else this.#gate.refuse(Reason.CHECK_UNAVAILABLE, `the decision log failed: ${cause}`);
    });
  }

  #letIn(rule: Rule, client: string): void {
    const { peer } = this.#record;
    const metadata = this.#metadata;
    const peerNow = this.#peer;
    if (peer === undefined || peerNow === undefined || metadata === undefined || !this.#isJudged) return;
    this.#record.count({ outcome: "allowed", rule });
    const { options, hiddenKeys, isShadow } = this.#guard;
    if (!isShadow) for (const key of hiddenKeys) metadata.remove(key);
    setIdentity(metadata, { client, spiffeId: peer.spiffeId, scopes: [...rule.scopes] });
    this.#gate.letIn({
      peerNow,
      trustDomain: options.trustDomain,
      peer,
      client,
      rule,
      presented: this.#presented,
      judgedAtMs: this.#judgedAtMs,
    });
  }

  /** False once the call has ended while somebody was being asked about it. */
  get #isJudged(): boolean {
    return this.#gate.standing === "judged";
  }

  #needsLog(): boolean {
    const { options, isShadow } = this.#guard;
    if (isShadow) return false;
    return options.decisionLog !== "required-for-side-effects" || this.#method.policy?.hasSideEffects !== false;
  }
}
