import type { Expected } from "../catalogue/row.ts";

/** One thing that a test has seen, for the report. */
export interface Observation {
  readonly what: string;
  readonly expected: Expected;
  readonly observed: string;
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
