import { expect } from "vitest";
import type { Expected, Row } from "../catalogue/row.ts";

/** One thing that a test has seen, for the report. */
export interface Observation {
  readonly what: string;
  readonly expected: Expected;
  readonly observed: string;
}

/**
 * Notes for the report what was seen, which has to be what was expected; that has to be in the catalogue. What is "served" in its
 * words has the status OK.
 */
export type Observe = (what: string, expected: Expected, seen: string) => void;

/** Makes what notes what is seen in one test of a row. */
export function observeIn(
  observations: Observation[],
  { id, expected: anywhere, alsoInContainers = [] }: Row,
): Observe {
  return function observe(what, expected, seen) {
    const observed = expected === "served" && seen === "OK" ? "served" : seen;
    if (expected !== "OK") expect([...anywhere, ...alsoInContainers], `the catalogue's row ${id}`).toContain(expected);
    observations.push({ what, expected, observed });
    expect(observed, what).toBe(expected);
  };
}

/** What a test tells the report besides whether it passed. */
export interface ScenarioMeta {
  readonly id: string;
  readonly driver: "processes" | "containers";
  readonly observations: readonly Observation[];
}

declare module "vitest" {
  interface TaskMeta {
    scenario?: ScenarioMeta;
  }
}
