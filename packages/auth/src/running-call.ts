import type { CallPeer, Peer } from "@zero-trust/mtls";
import { causeOf, findingIn, grantIn, unavailable } from "./answers.ts";
import type { Finding } from "./decision.ts";
import { Credential, Reason } from "./gen/zerotrust/auth/v1/policy_pb.ts";
import { type Round, recheckMs } from "./open-calls.ts";
import { nameOf, type Rule } from "./policy.ts";
import type { Presented } from "./presented-credentials.ts";
import { isThenable } from "./with-answer.ts";

/** Revocation of anything (key, certificate, token, grant) is effective within this time, also while it cannot be asked about. */
const revocationMs = 30_000;

/** What let a call in. */
export interface Admission {
  readonly peerNow: CallPeer;
  readonly trustDomain: string;
  readonly peer: Peer;
  readonly client: string;
  readonly rule: Rule;
  /** The credentials that it showed. */
  readonly presented: readonly Presented[];
  /** When it was judged, on the clock of `Round.atMs`: some time before it was let in, where its message took that long. */
  readonly judgedAtMs: number;
}

/** One of the things that a call was let in for. */
interface Ground {
  readonly name: string;
  readonly ask: (round: Round, nowMs: number) => Finding | Promise<Finding>;
  /** When the question was asked that was last answered well, on the clock of `Round.atMs`. */
  goodAtMs: number;
  isAsked: boolean;
}

/** A call in its handler: every second, all that it was let in for is asked about again. */
export class RunningCall {
  readonly #admission: Admission;
  readonly #onEnd: (reason: Reason, cause: string) => void;
  readonly #grounds: readonly Ground[];
  #isOver = false;

  /** @param onEnd - told once that the call would not be let in any more; must not throw */
  constructor(admission: Admission, onEnd: (reason: Reason, cause: string) => void) {
    this.#admission = admission;
    this.#onEnd = onEnd;
    this.#grounds = this.#groundsOf(admission);
  }

  /** Asks whatever is not being asked still; what answers at once makes no promise. */
  recheck(round: Round): void {
    for (const ground of this.#grounds) {
      if (!ground.isAsked) this.#ask(ground, round);
      if (this.#isOver) return;
      // A round earlier, since the next one would be too late.
      if (round.atMs - ground.goodAtMs > revocationMs - recheckMs) {
        this.#end(Reason.CHECK_UNAVAILABLE, `${ground.name} could not be checked for ${revocationMs / 1000} s`);
        return;
      }
    }
  }

  /** The call ended by itself. */
  stop(): void {
    this.#isOver = true;
  }

  #groundsOf({ rule, presented, client, judgedAtMs }: Admission): readonly Ground[] {
    const ground = (name: string, ask: Ground["ask"]) => ({ name, ask, goodAtMs: judgedAtMs, isAsked: false });
    // What is found as long as the peer is good, which speaks for nothing else.
    const asBefore: Finding = { verdict: "verified", client, scopes: new Set(rule.scopes) };
    return [
      ground("the peer", (_round, nowMs) => this.#peer(nowMs, asBefore)),
      ...(rule.credentials.includes(Credential.MTLS) ? [ground("MTLS", (round) => this.#grant(round))] : []),
      ...rule.credentials.flatMap((credential) => {
        const recheck = presented.find((each) => each.credential === credential)?.verification.recheck;
        return recheck === undefined ? [] : [ground(nameOf(credential) ?? "?", (_round, nowMs) => recheck(nowMs))];
      }),
    ];
  }

  #ask(ground: Ground, round: Round): void {
    if (round.nowMs === undefined) return;
    try {
      const answer = ground.ask(round, round.nowMs);
      if (!isThenable(answer)) {
        this.#judge(ground, round, answer);
        return;
      }
      ground.isAsked = true;
      const answered = (late: unknown) => {
        ground.isAsked = false;
        this.#judge(ground, round, late);
      };
      Promise.resolve(answer).then(answered, (error: unknown) => answered(unavailable(causeOf(error))));
    } catch {
      // Nobody can tell: the call goes on for as long as that may be.
    }
  }

  /** What a new call would get: this one gets it too. What says nothing is no proof. */
  #judge(ground: Ground, round: Round, answer: unknown): void {
    const { client, rule } = this.#admission;
    const finding = readFinding(answer);
    if (finding.verdict === "invalid") this.#end(finding.reason, finding.cause);
    else if (finding.verdict !== "verified") return;
    else if (finding.client !== client) this.#end(Reason.CLIENT_MISMATCH, `${ground.name} names another client now`);
    else if (!rule.scopes.every((scope) => finding.scopes.has(scope))) {
      this.#end(Reason.SCOPE_MISSING, `${ground.name} lost a scope that the rule needs`);
    } else ground.goodAtMs = round.atMs;
  }

  #peer(nowMs: number, asBefore: Finding): Finding {
    const { peerNow, trustDomain } = this.#admission;
    try {
      peerNow({ trustDomain, now: () => nowMs });
      return asBefore;
    } catch (error) {
      return { verdict: "invalid", reason: Reason.PEER_INVALID, cause: causeOf(error) };
    }
  }

  #grant({ grants }: Round): Finding {
    const { peer, rule } = this.#admission;
    const grant = grantIn(grants, peer.spiffeId);
    if (grant !== undefined && rule.scopes.every((scope) => grant.scopes.has(scope))) {
      return { verdict: "verified", ...grant };
    }
    return { verdict: "invalid", reason: Reason.PEER_NOT_GRANTED, cause: "the peer's grants were withdrawn" };
  }

  #end(reason: Reason, cause: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#onEnd(reason, cause);
  }
}

function readFinding(answer: unknown): Finding {
  try {
    return findingIn(answer);
  } catch (error) {
    return unavailable(causeOf(error));
  }
}
