import type { Row } from "../catalogue/row.ts";
import { catalogue } from "../catalogue.ts";
import { type Report, reportOf, type ScenarioResult } from "./report.ts";

/** A report in which every row was held, but for what is changed: for tests of how reports look. */
export function madeUpReport(change: (result: ScenarioResult) => ScenarioResult = (result) => result): Report {
  const run = { driver: "containers", startedAt: "2026-01-02T03:04:05.678Z", durationMs: 123_456 } as const;
  return reportOf(run, catalogue, catalogue.flatMap(({ rows }) => rows.map(held)).map(change));
}

function held({ id, attack, expected, alsoInContainers = [] }: Row): ScenarioResult {
  const observations = [...expected, ...alsoInContainers].map((each) => ({
    what: attack,
    expected: each,
    observed: each,
  }));
  return { id, claim: `${attack} is of no use`, passed: true, durationMs: 1_234, observations };
}
