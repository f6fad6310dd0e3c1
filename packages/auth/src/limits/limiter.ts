import { forsake } from "../answers.ts";
import { BoundedMap } from "../bounded-map.ts";
import type { Finding } from "../decision.ts";
import { isThenable } from "../with-answer.ts";
import { checkedRate, type LimitStore, type LimitTake, maxWaitMs, type Rate } from "./limit-store.ts";
import { memoryLimits } from "./memory-limits.ts";

/** A rate, and other ones for some callers. */
export interface Limit extends Rate {
  /** By SPIFFE ID for peers and failures, by client id for clients. */
  readonly others?: ReadonlyMap<string, Rate>;
}

/** How much one caller may ask for. What is not given has its default; nothing is ever without a limit. */
export interface LimitsOptions {
  /**
   * Counts the calls of clients and the failures of peers; one that all processes of a service share, where there are several.
   * Where it cannot be asked, calls are refused. @defaultValue `memoryLimits()`
   */
  readonly store?: LimitStore;
  /**
   * Calls of one workload to this process, whatever becomes of them. They are counted here, whatever the store, so that a flood
   * stops here. @defaultValue 1 000 a second, 2 000 at once
   */
  readonly peer?: Limit;
  /** Calls of one client that are let in, whichever workloads they come from. @defaultValue 500 a second, 1 000 at once */
  readonly client?: Limit;
  /**
   * Calls of one workload whose credentials are wrong. While it has none left, none of its credentials is looked at: calls that
   * show any are refused, the good ones too. @defaultValue 10 a second, 200 at once
   */
  readonly failures?: Limit;
}

/**
 * What one process of a service serves on one core is some thousands of calls a second: one workload does not get them all. It is far
 * above what the clients of one workload are let in with, so that it is met by floods alone.
 */
export const defaultPeerLimit: Rate = { perSecond: 1_000, burst: 2_000 };

/** Half of that, so that two clients that take all they may leave something to the others. */
export const defaultClientLimit: Rate = { perSecond: 500, burst: 1_000 };

/**
 * A service that was not told of a new key fails with every call until it is, and is back within a tenth of a second; one that
 * guesses gets a million answers a day, at keys of 256 bits.
 */
export const defaultFailureLimit: Rate = { perSecond: 10, burst: 200 };

/** Of how many callers a process keeps the texts by which it counts them. */
const maxKeys = 1_000;

/** What stands against a call: nothing, or that its caller has had what it may. */
export type Against = Extract<Finding, { verdict: "limited" }> | undefined;

/** Asks whether a caller may make one more call. What is thrown, or rejected with, says that nobody could tell. */
export class Limiter {
  readonly #store: LimitStore;
  readonly #ofThisProcess: LimitStore = memoryLimits();
  readonly #peer: Limit;
  readonly #client: Limit;
  readonly #failures: Limit;
  readonly #keys: Readonly<Record<Limited, BoundedMap<string>>> = {
    peer: new BoundedMap(maxKeys),
    client: new BoundedMap(maxKeys),
    failures: new BoundedMap(maxKeys),
  };

  /** @throws RangeError for a rate that is none */
  constructor(options: LimitsOptions = {}) {
    this.#store = options.store ?? memoryLimits();
    this.#peer = checkedLimit(options.peer ?? defaultPeerLimit, "limits.peer");
    this.#client = checkedLimit(options.client ?? defaultClientLimit, "limits.client");
    this.#failures = checkedLimit(options.failures ?? defaultFailureLimit, "limits.failures");
  }

  /** Takes one of a workload's calls. */
  takeOfPeer(spiffeId: string): Against | PromiseLike<Against> {
    return this.#ask("peer", this.#ofThisProcess, this.#peer, spiffeId, 1);
  }

  /** Takes one of a client's calls, or (`cost` 0) asks whether there is one. */
  takeOfClient(client: string, cost: 0 | 1 = 1): Against | PromiseLike<Against> {
    return this.#ask("client", this.#store, this.#client, client, cost);
  }

  /** Takes one of a workload's failures, or (`cost` 0) asks whether it may have another. */
  takeOfFailures(spiffeId: string, cost: 0 | 1 = 1): Against | PromiseLike<Against> {
    return this.#ask("failures", this.#store, this.#failures, spiffeId, cost);
  }

  #ask(name: Limited, store: LimitStore, limit: Limit, id: string, cost: 0 | 1): Against | PromiseLike<Against> {
    const rate: Rate = limit.others?.get(id) ?? limit;
    const taking: LimitTake = { key: this.#keyOf(name, id), cost, rate };
    const answer: unknown = store.take(taking);
    return isThenable(answer)
      ? answer.then((verdict) => againstIn(verdict, name, rate))
      : againstIn(answer, name, rate);
  }

  /** The same text each time: a new one would have to be put together and hashed four times a call. */
  #keyOf(name: Limited, id: string): string {
    const known = this.#keys[name].get(id);
    if (known !== undefined) return known;
    const key = `${name} ${id}`;
    this.#keys[name].set(id, key);
    return key;
  }
}

type Limited = "peer" | "client" | "failures";

const causes = {
  peer: "the workload's calls are used up",
  client: "the client's calls are used up",
  failures: "the workload showed too many wrong credentials",
} as const;

/** A verdict is parsed, not trusted: whatever does not say that the call is allowed, does not allow it. */
function againstIn(answer: unknown, name: Limited, { perSecond, burst }: Rate): Against {
  forsake(answer);
  if (typeof answer === "object" && answer !== null && "allowed" in answer) {
    if (answer.allowed === true) return undefined;
    const retryAfterMs = "retryAfterMs" in answer ? answer.retryAfterMs : undefined;
    if (
      answer.allowed === false &&
      typeof retryAfterMs === "number" &&
      retryAfterMs >= 0 &&
      retryAfterMs <= maxWaitMs
    ) {
      const cause = `${causes[name]}: ${perSecond} a second, ${burst} at once`;
      return { verdict: "limited", cause, retryAfterMs };
    }
  }
  throw new Error("the store of limits answered nonsense");
}

function checkedLimit(limit: Limit, name: string): Limit {
  checkedRate(limit, name);
  for (const [id, rate] of limit.others ?? []) checkedRate(rate, `${name} of ${id}`);
  return limit;
}
