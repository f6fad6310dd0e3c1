import type { ScenarioMeta } from "../attacks/observation.ts";
import type { Expected, Group, Row } from "../catalogue/row.ts";
import { threatsOf } from "../threats.ts";

/** One test of a row, as it ended. */
export interface ScenarioResult {
  /** The row. */
  readonly id: string;
  /** What it shows, in words. */
  readonly claim: string;
  readonly passed: boolean;
  readonly durationMs: number;
  /** What it has seen, as far as it came. */
  readonly observations: ScenarioMeta["observations"];
}

/** What a run says of a row. */
export interface RowReport extends Pick<Row, "id" | "attack" | "expected" | "defences"> {
  /** The threats that it is an instance of. */
  readonly threats: readonly string[];
  readonly state:
    | "held"
    /** A test failed, or something that is expected was seen by none. */
    | "open"
    | "not run"
    /** Only containers can show it, and this run had none. */
    | "containers only";
  /** What was seen of what was expected, each once. */
  readonly observed: readonly string[];
  readonly durationMs: number;
  readonly tests: readonly ScenarioResult[];
}

/** What a run says of the whole catalogue. */
export interface Report {
  readonly driver: ScenarioMeta["driver"];
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly durationMs: number;
  readonly groups: readonly (Pick<Group, "id" | "title"> & { readonly rows: readonly RowReport[] })[];
}

/** Holds the results of a run against the catalogue: every row is in the report, whether it was tried or not. */
export function reportOf(
  run: Pick<Report, "driver" | "startedAt" | "durationMs">,
  catalogue: readonly Group[],
  results: readonly ScenarioResult[],
): Report {
  const { driver, startedAt, durationMs } = run;
  const rowReport = (row: Row) =>
    reportRow(
      row,
      driver,
      results.filter(({ id }) => id === row.id),
    );
  const groups = catalogue.map(({ id, title, rows }) => ({ id, title, rows: rows.map(rowReport) }));
  return { driver, startedAt, durationMs, groups };
}

/** How a state is marked, the states in the order in which they are told. */
export const marks: Readonly<Record<RowReport["state"], string>> = {
  held: "✓",
  open: "✗",
  "not run": "·",
  "containers only": "c",
};

/** How many rows are in each state that there is. */
export function countStates(report: Report): ReadonlyMap<RowReport["state"], number> {
  const rows = report.groups.flatMap((group) => group.rows);
  const states = Object.keys(marks) as readonly RowReport["state"][];
  const counts = states.map((state) => [state, rows.filter((row) => row.state === state).length] as const);
  return new Map(counts.filter(([, count]) => count > 0));
}

function reportRow(row: Row, driver: Report["driver"], tests: readonly ScenarioResult[]): RowReport {
  const { id, attack, defences } = row;
  const expected = [...row.expected, ...(driver === "containers" ? (row.alsoInContainers ?? []) : [])];
  const seen = tests.flatMap(({ observations }) => observations);
  const observed = new Set(
    seen.filter((each) => each.expected !== "OK" || expected.includes("OK")).map((each) => each.observed),
  );
  const durationMs = tests.reduce((sum, test) => sum + test.durationMs, 0);
  const state = stateOf({ ...row, expected }, driver, tests, observed);
  return { id, attack, expected, threats: threatsOf(id), defences, state, observed: [...observed], durationMs, tests };
}

function stateOf(
  { expected, only }: Row,
  driver: Report["driver"],
  tests: readonly ScenarioResult[],
  observed: ReadonlySet<string>,
): RowReport["state"] {
  if (tests.length === 0) return only === "containers" && driver !== "containers" ? "containers only" : "not run";
  const complete = expected.every((each: Expected) => observed.has(each));
  return complete && tests.every(({ passed }) => passed) ? "held" : "open";
}
