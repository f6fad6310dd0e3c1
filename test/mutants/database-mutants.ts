import type { Mutant } from "./mutant.ts";

const grouped = "packages/database/src/grouped-commits.ts";
const groupedTests = ["packages/database/src/grouped-commits.test.ts"];

/** What replicas of a service rest on that share a database, and what a server in its place would get. */
export const databaseMutants: readonly Mutant[] = [
  {
    id: "orders-out-of-turn",
    opens: "whoever reads a list of orders page by page misses one whose transaction commits late",
    file: "services/order/src/store.ts",
    search: "await inTurn(trx, `orders of ${client}`);",
    replace: "void inTurn;",
    tests: ["services/order/src/store-commits.test.ts"],
  },
  {
    id: "ledger-out-of-turn",
    opens: "whoever reads the ledger page by page misses a line whose transaction commits late",
    file: "services/payment/src/ledger-store.ts",
    search: `await inTurn(trx, "ledger");`,
    replace: "void inTurn;",
    tests: ["services/payment/src/ledger-commits.test.ts"],
  },
  {
    id: "full-disk-unsaid",
    opens: "callers of a service whose disk is full are told INTERNAL, and do not come again",
    file: grouped,
    search: `if (this.#sqlite.inTransaction) {\n      this.#run("rollback to`,
    replace: `{\n      this.#run("rollback to`,
    tests: ["packages/database/src/unavailable.test.ts"],
    named: "a disk that is full",
  },
  {
    id: "acknowledged-before-commit",
    opens: "what a caller was told is done is lost with the power",
    file: grouped,
    search: "    turn.end();\n    await group.done.promise;\n  }\n\n  override async rollbackTransaction",
    replace: "    turn.end();\n  }\n\n  override async rollbackTransaction",
    tests: groupedTests,
  },
  {
    id: "read-before-commit",
    opens: "a caller is told of a payment that is lost with the power",
    file: grouped,
    search: "if (!turn.inTransaction) this.#commit();\n    else if (!",
    replace: "if (turn.inTransaction && !",
    tests: groupedTests,
  },
  {
    id: "group-lost-unsaid",
    opens: "a disk that is full takes back what others were told is done",
    file: grouped,
    search: "if (this.#sqlite.inTransaction || this.#group === undefined) return;",
    replace: "if (this.#group !== undefined) return;",
    tests: groupedTests,
  },
  {
    id: "claims-overlap",
    opens: "two replicas pay the same orders at the same time",
    file: "services/order/src/outbox-store.ts",
    search: `due.forUpdate("outbox").skipLocked()`,
    replace: "due",
    tests: ["services/order/src/outbox-replicas.test.ts"],
    named: "of claims at the same moment",
  },
  {
    id: "claims-for-ever",
    opens: "an order that a replica was at when it died is never paid",
    file: "services/order/src/outbox-store.ts",
    search: "next_attempt_at_ms: BigInt(options.nowMs + options.leaseMs) })",
    replace: "next_attempt_at_ms: BigInt(options.horizonMs) })",
    tests: ["services/order/src/outbox-replicas.test.ts"],
    named: "a replica that has lost its lease",
  },
  {
    id: "starts-over-others",
    opens: "a replica that starts takes from the others what they are at",
    file: "services/order/src/outbox-store.ts",
    search: `waiting.where("claimed_by", "is", null).forUpdate().skipLocked()`,
    replace: "waiting",
    tests: ["services/order/src/outbox-replicas.test.ts"],
    named: "a replica that starts",
  },
  {
    id: "any-database-server",
    opens: "whoever answers in the database server's place gets the proof of the password, and the orders",
    file: "packages/database/src/postgres-pool.ts",
    search: "ssl: tls === undefined ? false : { ...tls },",
    replace:
      "ssl: tls === undefined ? false : { ...tls, rejectUnauthorized: false, checkServerIdentity: () => undefined },",
    tests: ["packages/database/src/postgres.test.ts"],
    named: "sends no password",
  },
  {
    id: "silent-database",
    opens: "a database server that says nothing any more holds every call, and the end of the process",
    file: "packages/database/src/postgres-pool.ts",
    search: `pool.on("acquire", (client) => socketOf.get(client)?.setTimeout(statementTimeoutMs + SILENCE_MARGIN_MS));`,
    replace: "",
    tests: ["packages/database/src/postgres.test.ts"],
    named: "stops without a word",
  },
];
