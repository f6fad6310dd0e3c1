import type { Mutant } from "./mutant.ts";

const src = "packages/server/src/telemetry";
const metrics = ["packages/server/test/metrics.test.ts"];
const traces = ["packages/server/test/traces.test.ts"];

/** What a caller could do by being observed. */
export const telemetryMutants: readonly Mutant[] = [
  {
    id: "label-from-caller",
    opens: "a caller makes as many series as it makes up methods",
    file: `${src}/served-calls.ts`,
    search: "methods.has(path) ? path.slice(1) : OTHER_METHOD",
    replace: "methods.has(path) ? path.slice(1) : path",
    tests: metrics,
    named: "nothing that a caller makes up",
  },
  {
    id: "decision-label-from-caller",
    opens: "a method that is not registered is a label of its own among the decisions",
    file: "packages/auth/src/call-record.ts",
    search: 'method: policy === undefined ? "unregistered" : path,',
    replace: "method: path,",
    tests: metrics,
    named: "nothing that a caller makes up",
  },
  {
    id: "spans-unbounded",
    opens: "calls fill the memory while the collector is away",
    file: `${src}/span-export.ts`,
    search: "if (this.#pending >= maxPending) {",
    replace: "if (this.#pending < 0) {",
    tests: [`${src}/span-export.test.ts`],
  },
  {
    id: "span-with-credentials",
    opens: "the ids of keys and tokens go to the collector",
    file: `${src}/served-calls.ts`,
    search: '"zt.decision.outcome": outcome,',
    replace: '"zt.decision.outcome": outcome, "zt.credentials": event.credentialIds.join(" "),',
    tests: traces,
    named: "one trace",
  },
  {
    id: "trace-parent-loose",
    opens: "a caller writes what it likes into traces, and into the outbox",
    file: `${src}/trace-parent.ts`,
    search: "const [value, ...others] = values;\n",
    replace: "const [value] = values;\n  const others: unknown[] = [];\n",
    tests: [`${src}/trace-parent.test.ts`],
  },
];
