import type { Mutant } from "./mutant.ts";

const attempt = "packages/auth/src/attempt.ts";
const limiter = "packages/auth/src/limits/limiter.ts";
const bucket = "packages/auth/src/limits/limit-store.ts";
const memory = "packages/auth/src/limits/memory-limits.ts";
const tests = ["packages/auth/test/limits.test.ts"];
const storeTests = ["packages/auth/src/limits/memory-limits.test.ts"];

/** How much one caller may ask for. */
export const limitMutants: readonly Mutant[] = [
  {
    id: "peer-without-limit",
    opens: "one workload keeps a service busy with calls that are refused",
    file: attempt,
    search: "limiter.takeOfPeer(peer.spiffeId),",
    replace: "undefined,",
    tests,
  },
  {
    id: "client-without-limit",
    opens: "one client keeps a service from serving the others",
    file: attempt,
    search: "return this.#unlessLimited(this.#guard.limiter.takeOfClient(client, cost), goOn);",
    replace: "void cost;\n    return goOn();",
    tests,
  },
  {
    id: "flood-reaches-nonces",
    opens: "a flood of one client's signed calls fills the store of nonces",
    file: attempt,
    search: "return this.#unlessClientLimited(decision.client, 0, () => this.#spend(signature, nowMs));",
    replace: "return this.#spend(signature, nowMs);",
    tests,
  },
  {
    id: "replay-costs-its-client",
    opens: "whoever replays one request of a client uses up its calls",
    file: attempt,
    search: "this.#unlessClientLimited(decision.client, 0,",
    replace: "this.#unlessClientLimited(decision.client, 1,",
    tests,
  },
  {
    id: "guesses-without-limit",
    opens: "keys can be guessed as fast as the network is",
    file: attempt,
    search: "limiter.takeOfFailures(peer.spiffeId, 0),",
    replace: "undefined,",
    also: [
      {
        file: attempt,
        search: "return this.#unlessLimited(this.#guard.limiter.takeOfFailures(spiffeId), refuse, cause);",
        replace: "return refuse();",
      },
    ],
    tests,
  },
  {
    id: "guesses-answered-when-limited",
    opens: "a workload that guesses still learns which key is good",
    file: attempt,
    search: "limiter.takeOfFailures(peer.spiffeId, 0),",
    replace: "undefined,",
    tests,
  },
  {
    id: "guesses-all-at-once",
    opens: "guesses that are sent at the same time are all answered",
    file: attempt,
    search: "return this.#unlessLimited(this.#guard.limiter.takeOfFailures(spiffeId), refuse, cause);",
    replace: "return withAnswer(this.#wait(this.#guard.limiter.takeOfFailures(spiffeId)), refuse);",
    tests,
  },
  {
    id: "limits-fail-open",
    opens: "whoever can keep the store of limits from answering sensibly has no limit",
    file: limiter,
    search: 'throw new Error("the store of limits answered nonsense");',
    replace: "return undefined;",
    tests: ["packages/auth/test/fail-closed.test.ts"],
    named: "the store of limits",
  },
  {
    id: "flood-reaches-the-store",
    opens: "one workload's flood goes on to the store that all services share",
    file: limiter,
    search: `return this.#ask("peer", this.#ofThisProcess,`,
    replace: `return this.#ask("peer", this.#store,`,
    tests,
  },
  {
    id: "refused-calls-cost",
    opens: "a caller that keeps asking is shut out for ever",
    file: bucket,
    search: "retryAfterMs: Math.ceil(lateMs) }, fullAtMs: before }",
    replace: "retryAfterMs: Math.ceil(lateMs) }, fullAtMs: after }",
    tests: storeTests,
  },
  {
    id: "bucket-overflows",
    opens: "who has been quiet for a day may send a day's calls at once",
    file: bucket,
    search: "Math.min(Math.max(fullAtMs, nowMs), nowMs + burstMs)",
    replace: "Math.min(fullAtMs, nowMs + burstMs)",
    tests: storeTests,
  },
  {
    id: "clock-set-back-shuts-out",
    opens: "a clock that is set back by an hour shuts every caller out for an hour",
    file: bucket,
    search: "Math.min(Math.max(fullAtMs, nowMs), nowMs + burstMs)",
    replace: "Math.max(fullAtMs, nowMs)",
    tests: storeTests,
  },
  {
    id: "limits-forget-the-live",
    opens: "a caller gets a new bucket by making the store forget his",
    file: memory,
    search: "if (ms <= nowMs) fullAtMs.delete(key);",
    replace: "if (ms <= nowMs + 600_000) fullAtMs.delete(key);",
    tests: storeTests,
  },
  {
    id: "limits-gone-with-the-store",
    opens: "whoever gets the shared store down has no limit",
    file: "packages/auth/src/limits/shared-limits.ts",
    search: "        return counted;",
    replace: "        void counted;\n        return { allowed: true };",
    tests: ["packages/auth/src/limits/shared-limits.test.ts"],
  },
  {
    id: "limits-unbounded",
    opens: "the store of limits grows until the process ends",
    file: memory,
    search: 'if (known === undefined && fullAtMs.size >= maxKeys) throw new Error("the limits know too many callers");',
    replace: "",
    tests: storeTests,
  },
];
