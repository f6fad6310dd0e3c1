import { type Metadata, type ServerInterceptingCallInterface, type ServerListener, status } from "@grpc/grpc-js";
import { type Peer, type PeerOptions, peerOf } from "@zero-trust/mtls";
import { type Decision, decide, type Finding, rulesFor } from "./decision.ts";
import { type DecisionEvent, describeRule, printable } from "./decision-event.ts";
import { EndableCall } from "./endable-call.ts";
import { Credential, Reason } from "./gen/zerotrust/auth/v1/policy_pb.ts";
import type { GrantSource } from "./grants.ts";
import { setIdentity } from "./identity.ts";
import type { OpenCalls } from "./open-calls.ts";
import { type MethodPolicy, nameOf, type Rule } from "./policy.ts";
import { reasonName, refusal } from "./refusal.ts";
import type { CallFacts, PendingSignature, Verification, Verifier } from "./verifier.ts";

/** What deciding a call needs besides its policy. */
export interface GuardOptions {
  /** The trust domain whose workloads may connect: `production.internal`. */
  readonly trustDomain: string;
  /** Which SPIFFE ID is which client, with which scopes. */
  readonly grants: GrantSource;
  /** The verifiers: `apiKey({…})`, `bearer({…})`, `hmac({…})`, at most one of each. */
  readonly credentials: readonly Verifier[];
  /**
   * Gets every decision, once a call, and `failed` after it where a handler throws into us. It must not throw; what it
   * throws refuses the call.
   */
  readonly onDecision: (event: DecisionEvent) => void;
  /** How long one verifier may take, in milliseconds. @defaultValue 500 */
  readonly verifierTimeoutMs?: number;
  /** Milliseconds since 1970. @defaultValue `Date.now` */
  readonly now?: () => number;
}

/** Metadata with which proxies vouch for a caller. Nobody vouches here, so no handler gets to see it. */
const claimedIdentities = ["x-client-cn", "x-client-verify", "x-forwarded-client-cert", "x-forwarded-for"];

/** The method that is called. */
export interface CalledMethod {
  /** `/package.Service/Method` */
  readonly path: string;
  /** Undefined for a method that is not registered, or was forgotten. */
  readonly policy: MethodPolicy | undefined;
  /** Decodes a message, where that was put off until the call is let in. */
  readonly decode: ((bytes: Buffer) => unknown) | undefined;
}

/** One call on its way in, and until its end. */
export class Attempt {
  /** What the handler gets to see of the call. */
  readonly call: EndableCall;
  readonly #options: GuardOptions;
  readonly #policy: MethodPolicy | undefined;
  readonly #path: string;
  readonly #decodeBytes: CalledMethod["decode"];
  readonly #wire: ServerInterceptingCallInterface;
  readonly #open: OpenCalls;
  readonly #now: () => number;
  readonly #startedMs: number;
  readonly #findings = new Map<Credential, Finding>();
  readonly #ids: string[] = [];
  #rules: readonly Rule[] = [];
  #peer: Peer | undefined;
  #client: string | undefined;
  #metadata: Metadata | undefined;
  #signature: PendingSignature | undefined;
  #decided = false;

  constructor(options: GuardOptions, open: OpenCalls, method: CalledMethod, wire: ServerInterceptingCallInterface) {
    this.#options = options;
    this.#open = open;
    this.#policy = method.policy;
    this.#path = method.path;
    this.#decodeBytes = method.decode;
    this.#wire = wire;
    this.#now = options.now ?? Date.now;
    this.#startedMs = performance.now();
    const listener: ServerListener = {
      onReceiveMetadata: (metadata, next) => void this.#judgeMetadata(metadata, next),
      onReceiveMessage: (message, next) => void this.#judgeMessage(message, next),
      onReceiveHalfClose: (next) => this.#judgeHalfClose(next),
      onCancel: () => this.#ended(),
    };
    this.call = new EndableCall(wire, listener);
  }

  /** Whether a call that was let in would be let in now. Whoever is not known any more is told so, and the handler stops. */
  recheck(): void {
    try {
      peerOf(this.#wire, this.#peerOptions());
    } catch (error) {
      this.#open.delete(this);
      this.call.end(refusal(Reason.PEER_INVALID, this.#now(), { ended: true }));
      const reason = reasonName(Reason.PEER_INVALID);
      this.#reportEnd({ outcome: "ended", reason, cause: printable(causeOf(error)) });
    }
  }

  /** Steps 1 to 5, as far as the metadata tells; a signature stays open until its message is there. */
  async #judgeMetadata(metadata: Metadata, next: (metadata: Metadata) => void): Promise<void> {
    try {
      this.#metadata = metadata;
      const peer = this.#identifyPeer();
      if (peer === undefined) return;
      const grant = this.#options.grants.current().get(peer.spiffeId);
      this.#client = grant?.client;
      if (this.#policy === undefined) {
        if (grant === undefined) this.#refuse(Reason.PEER_NOT_GRANTED, "the peer holds no grant; no such method");
        else this.#refuseUnknownMethod();
        return;
      }
      this.#rules = rulesFor(this.#policy.rules, grant);
      if (this.#rules.length === 0) {
        this.#refuse(Reason.PEER_NOT_GRANTED, "the peer's grants meet no rule of the method");
        return;
      }
      const named = new Set(this.#rules.flatMap((rule) => rule.credentials));
      if (grant !== undefined && named.has(Credential.MTLS)) {
        this.#findings.set(Credential.MTLS, { verdict: "verified", ...grant });
      }
      await this.#verifyCredentials(metadata, { path: this.#path, peer, nowMs: this.#now(), named });
      const decision = decide(this.#rules, this.#findings);
      if (decision.outcome === "pending") next(metadata);
      else this.#conclude(decision, () => next(metadata));
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Step 6: signature, rules once more with what it proved, nonce; then the message may be decoded. */
  async #judgeMessage(message: unknown, next: (message: unknown) => void): Promise<void> {
    try {
      const handOn = () => this.#decode(message, next);
      if (this.#signature === undefined) {
        handOn();
        return;
      }
      const signature = this.#signature;
      this.#signature = undefined;
      if (!(message instanceof Uint8Array)) {
        throw new Error("the message is decoded already: register the service with wireBytes()");
      }
      this.#findings.set(Credential.HMAC, signature.check(message));
      let decision = decide(this.#rules, this.#findings);
      if (decision.outcome === "allowed") {
        // Last, so that only a call that is let in uses up its nonce.
        const spent = await this.#inTime(signature.claim()).catch(unavailable);
        if (spent !== undefined) {
          this.#findings.set(Credential.HMAC, spent);
          decision = decide(this.#rules, this.#findings);
        }
      }
      this.#conclude(decision, handOn);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** A signed call without a message is a call without a signature; one that is being cancelled looks like it at first. */
  #judgeHalfClose(next: () => void): void {
    if (this.#signature === undefined) next();
    else setImmediate(() => this.#refuse(Reason.CREDENTIAL_INVALID, "the signed message is missing"));
  }

  #ended(): void {
    this.#open.delete(this);
    if (this.#decided) return;
    this.#decided = true;
    this.#reportEnd({ outcome: "abandoned", cause: "the call ended before it was decided" });
  }

  /** Before the decision, something could not be checked; after it, what follows us threw, and the caller waits. */
  #failed(error: unknown): void {
    if (!this.#decided) {
      this.#refuse(Reason.CHECK_UNAVAILABLE, causeOf(error));
      return;
    }
    this.#wire.sendStatus({ code: status.INTERNAL, details: "" });
    this.#reportEnd({ outcome: "failed", cause: printable(causeOf(error)) });
  }

  #identifyPeer(): Peer | undefined {
    try {
      this.#peer = peerOf(this.#wire, this.#peerOptions());
    } catch (error) {
      this.#refuse(Reason.PEER_INVALID, causeOf(error));
    }
    return this.#peer;
  }

  #peerOptions(): PeerOptions {
    return { trustDomain: this.#options.trustDomain, now: this.#now };
  }

  async #verifyCredentials(metadata: Metadata, call: CallFacts): Promise<void> {
    const presented = this.#options.credentials.filter(
      (verifier) => call.named.has(verifier.credential) && verifier.isPresented(metadata, call.named),
    );
    for (const verifier of presented) {
      const { finding, id, signature } = await this.#ask(verifier, metadata, call);
      this.#findings.set(verifier.credential, finding);
      if (id !== undefined) this.#ids.push(printable(id));
      this.#signature = signature ?? this.#signature;
    }
  }

  /** What a verifier throws, or does not say in time, is "could not check": never in, never "wrong". */
  async #ask(
    verifier: Verifier,
    metadata: Metadata,
    call: CallFacts,
  ): Promise<Verification & { readonly signature?: PendingSignature }> {
    try {
      return await this.#inTime("open" in verifier ? verifier.open(metadata, call) : verifier.verify(metadata, call));
    } catch (error) {
      return { finding: unavailable(error) };
    }
  }

  #inTime<T>(work: Promise<T>): Promise<T> {
    const limitMs = this.#options.verifierTimeoutMs ?? 500;
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => reject(new Error(`no answer within ${limitMs} ms`)), limitMs);
    return Promise.race([work, promise]).finally(() => clearTimeout(timer));
  }

  #conclude(decision: Decision, letIn: () => void): void {
    if (decision.outcome === "allowed") this.#allow(decision.rule, decision.client, letIn);
    else if (decision.outcome === "refused") this.#refuse(decision.reason, decision.cause);
    else throw new Error("a signature was never checked");
  }

  #allow(rule: Rule, client: string, letIn: () => void): void {
    if (this.#decided || this.#metadata === undefined || this.#peer === undefined) return;
    this.#client = client;
    this.#report({ outcome: "allowed", rule: describeRule(rule) });
    this.#decided = true;
    for (const key of this.#options.credentials.flatMap((verifier) => verifier.metadataKeys))
      this.#metadata.remove(key);
    for (const key of claimedIdentities) this.#metadata.remove(key);
    setIdentity(this.#metadata, { client, spiffeId: this.#peer.spiffeId, scopes: rule.scopes });
    this.#open.add(this);
    letIn();
  }

  #refuse(reason: Reason, cause: string): void {
    if (this.#decided) return;
    this.#decided = true;
    this.#signature = undefined;
    this.#wire.sendStatus(refusal(reason, this.#now()));
    this.#reportEnd({ outcome: "refused", reason: reasonName(reason), cause: printable(cause) });
  }

  /**
   * Whoever has grants may learn that there is no such method; nobody else does. It is answered here and not passed on,
   * so that a service that was registered and forgotten in `policies` is as good as absent.
   */
  #refuseUnknownMethod(): void {
    if (this.#decided) return;
    this.#decided = true;
    this.#wire.sendStatus({ code: status.UNIMPLEMENTED, details: "The method is not implemented." });
    this.#reportEnd({ outcome: "refused", cause: "there is no policy for such a method" });
  }

  #decode(message: unknown, next: (message: unknown) => void): void {
    const decode = this.#decodeBytes;
    if (decode === undefined) {
      next(message);
      return;
    }
    let decoded: unknown;
    try {
      decoded = decode(message as Buffer);
    } catch {
      this.#wire.sendStatus({ code: status.INTERNAL, details: "" }); // not of the method's type, and no word of ours
      return;
    }
    next(decoded);
  }

  /** A log that fails can refuse a call, which needs no help from it here, and must not end the process. */
  #reportEnd(event: Pick<DecisionEvent, "outcome" | "reason" | "cause">): void {
    try {
      this.#report(event);
    } catch {
      // The caller has been refused already.
    }
  }

  #report(event: Pick<DecisionEvent, "outcome" | "reason" | "cause" | "rule">): void {
    this.#options.onDecision({
      time: new Date(this.#now()),
      method: printable(this.#path),
      ...event,
      ...(this.#peer === undefined ? {} : { peer: this.#peer.spiffeId, certificate: this.#peer.thumbprint }),
      ...(this.#client === undefined ? {} : { client: this.#client }),
      credentials: [...this.#findings.keys()].map((credential) => nameOf(credential) ?? "?"),
      credentialIds: this.#ids,
      latencyMs: performance.now() - this.#startedMs,
    });
  }
}

function unavailable(error: unknown): Finding {
  return { verdict: "unavailable", cause: causeOf(error) };
}

function causeOf(error: unknown): string {
  return error instanceof Error ? error.message : "something that is not an error was thrown";
}
