import type { Edit } from "../../mutants/mutant.ts";

/** Something that is done for speed, and the edits that undo it. No check is in any of them. */
export interface Step {
  /** Unique, kebab-case. */
  readonly id: string;
  /** What it is, for a reader of the table. */
  readonly what: string;
  /** The case that is measured with it and without it; `full` unless given. */
  readonly case?: "serve" | "client" | "orders";
  readonly undo: readonly Edit[];
}

const auth = "packages/auth/src";

/** In the order of a call. */
export const steps: readonly Step[] = [
  {
    id: "peer-once",
    what: "the certificate of a connection is read once, and not for each of its calls",
    undo: [
      {
        file: "packages/mtls/src/peer.ts",
        search: "  let parsed = bySocket.get(socket);\n",
        replace: "  let parsed: Parsed | undefined;\n",
      },
    ],
  },
  {
    id: "connection-once-a-second",
    what: "that its CA still vouches for it is judged once a second, and not for each call",
    undo: [
      {
        file: "packages/mtls/src/connections.ts",
        search: "Math.abs(nowMs - this.#judged.atMs) >= JUDGED_FOR_MS",
        replace: "Math.abs(nowMs - this.#judged.atMs) >= 0",
      },
    ],
  },
  {
    id: "signature-once",
    what: "the signature of a token is verified once, and not for each call that shows it",
    undo: [
      {
        file: `${auth}/bearer/server.ts`,
        search: "const cached = cache.find(digest);",
        replace: "const cached = undefined as VerifiedToken | undefined;\n        void cache.find(digest);",
      },
    ],
  },
  {
    id: "no-promise",
    what: "nobody waits for an answer that is there",
    undo: [
      {
        file: `${auth}/with-answer.ts`,
        search: "return isThenable(answer) ? Promise.resolve(answer).then(goOn) : goOn(answer);",
        replace: "return Promise.resolve(answer).then(goOn);",
      },
    ],
  },
  {
    id: "records-as-they-are",
    what: "the log writes a decision as it is, and does not look for secrets in it once more",
    undo: [
      {
        file: "packages/server/src/log.ts",
        search: "  return (event) => {\n",
        replace:
          '  const records = log.child({ log: "decision" }, { level: "info" });\n  if (log) return ({ time: _, ...its }) => records.info(its, "decision");\n  return (event) => {\n',
      },
    ],
  },
  {
    id: "recheck-when-it-is-due",
    what: "what a call is judged by a second time is made when that is due",
    undo: [
      {
        file: `${auth}/gate.ts`,
        search: "    this.#place = this.#guard.open.add(this);\n",
        replace:
          "    this.#place = this.#guard.open.add(this);\n    this.#running = new RunningCall(admission, (reason, cause) => this.#end(reason, cause));\n",
      },
    ],
  },
  {
    id: "let-go",
    what: "a call that is over lets go of its judge and of its handler, and so does the list of those that run",
    undo: [
      {
        file: `${auth}/endable-call.ts`,
        search: "    this.#judge = undefined;\n    judge?.onEnd();",
        replace: "    judge?.onEnd();",
      },
      {
        file: `${auth}/endable-call.ts`,
        search: "    this.#handler = undefined;\n",
        replace: "",
      },
      {
        file: `${auth}/open-calls.ts`,
        search: "    place.call = undefined;\n",
        replace: "",
      },
    ],
  },
  {
    id: "stream-let-go",
    what: "nobody listens to a stream of HTTP/2 that is over",
    case: "serve",
    undo: [
      {
        file: "packages/server/src/covered-session.ts",
        search: "    setImmediate(letGo, stream);\n",
        replace: "",
      },
    ],
  },
  {
    id: "one-getter",
    what: "the contexts of all handlers have one getter",
    case: "serve",
    undo: [
      {
        file: "packages/rpc/src/incoming-call.ts",
        search: "CallContext.#onDemand);",
        replace: "{ enumerable: true, get: () => signal() });",
      },
    ],
  },
  {
    id: "signal-when-asked-for",
    what: "the signal of a handler, and its timer, are made when it asks for them",
    case: "serve",
    undo: [
      {
        file: "packages/rpc/src/incoming-call.ts",
        search: '  call.once("cancelled", onCancelled);',
        replace: '  controller = watch();\n  call.once("cancelled", onCancelled);',
      },
    ],
  },
  {
    id: "client-lets-go",
    what: "a call of a client that is over lets go of who heard it, and so does the list of those of its channel",
    case: "client",
    undo: [
      {
        file: `${auth}/authenticated-call.ts`,
        search: "    this.#listener = undefined;\n    this.#sent.presented = nothing;\n",
        replace: "",
      },
      {
        file: "packages/mtls/src/counted-call.ts",
        search: "    this.#listener = undefined;\n",
        replace: "",
      },
      {
        file: "packages/mtls/src/channel-generation.ts",
        search: "    place.call = undefined;\n",
        replace: "",
      },
    ],
  },
  {
    id: "nonces-from-a-pool",
    what: "random bytes for the nonces of a client are got many at a time",
    case: "client",
    undo: [
      {
        file: `${auth}/hmac/new-nonce.ts`,
        search: "  if (used === pool.length) {\n    randomFillSync(pool);\n    used = 0;\n  }",
        replace: "  randomFillSync(pool, 0, nonceBytes);\n  used = 0;",
      },
    ],
  },
  {
    id: "token-looked-through-once",
    what: "a token that many calls show is looked through once, by us and by grpc-js",
    case: "client",
    undo: [
      {
        file: `${auth}/bearer/client.ts`,
        search: "        if (last !== undefined && last.token === token) return last.values;\n",
        replace: "",
      },
      {
        file: `${auth}/call-credentials.ts`,
        search: "  if (known !== undefined) return known;\n",
        replace: "",
      },
    ],
  },
  {
    id: "client-without-promise",
    what: "a client presents what it has without waiting for it",
    case: "client",
    undo: [
      {
        file: `${auth}/with-answer.ts`,
        search: "return isThenable(answer) ? Promise.resolve(answer).then(goOn) : goOn(answer);",
        replace: "return Promise.resolve(answer).then(goOn);",
      },
    ],
  },
  {
    id: "commits-together",
    what: "SQLite commits together what has ended in the same turn",
    case: "orders",
    undo: [
      {
        file: "packages/database/src/grouped-commits.ts",
        search: "const MAX_IN_GROUP = 100;",
        replace: "const MAX_IN_GROUP = 1;",
      },
    ],
  },
  {
    id: "statements-once",
    what: "a statement of SQL is prepared once",
    case: "orders",
    undo: [
      {
        file: "packages/database/src/grouped-commits.ts",
        search: "    if (known !== undefined) return known;\n",
        replace: "",
      },
    ],
  },
  {
    id: "many-orders-at-a-time",
    what: "32 orders are being paid at a time, and not 8",
    case: "orders",
    undo: [
      {
        file: "services/order/src/outbox.ts",
        search: "const defaultConcurrency = 32;",
        replace: "const defaultConcurrency = 8;",
      },
    ],
  },
];
