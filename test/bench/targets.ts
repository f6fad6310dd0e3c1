import type { BenchResult, CaseResult } from "./result.ts";
import type { Spread } from "./statistics.ts";

/** What a case has to reach, against the reference or against another case of the same run. */
export interface Target {
  readonly what: string;
  readonly case: string;
  /** A case that takes more of the processor; the reference unless given. */
  readonly against?: string;
  /** A case that is sent the same and checks nothing: what it reaches is as far as one can get on this transport. */
  readonly checksNothing?: string;
  readonly of: "calls a second" | "processor time added, µs" | "processor time";
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** The whole of zero trust on a server. */
const everything = { case: "full", checksNothing: "unread" } as const;

/** All of them; no text claims another figure. */
export const targets: readonly Target[] = [
  { what: "everything, against a bare server", ...everything, of: "calls a second", atLeast: 0.8 },
  { what: "everything, against a bare server", ...everything, of: "processor time added, µs", atMost: 30 },
  {
    what: "everything, against the same written by hand",
    ...everything,
    against: "naive",
    of: "processor time",
    atLeast: 4,
  },
  {
    what: "everything, against connect-node with a token alone",
    ...everything,
    against: "connect-node",
    of: "processor time",
    atLeast: 6,
  },
  {
    what: "everything, against nice-grpc with a token alone",
    ...everything,
    against: "nice-grpc",
    of: "processor time",
    atLeast: 3,
  },
  {
    what: "everything, against NestJS with a token alone",
    ...everything,
    against: "nestjs",
    of: "processor time",
    atLeast: 3,
  },
  { what: "a client with credentials, against a bare one", case: "client", of: "processor time added, µs", atMost: 30 },
];

/** What a run says of a target. */
export interface Reached {
  readonly target: Target;
  /** Undefined where a case of it was not measured. */
  readonly value: Spread | undefined;
  readonly isMet: boolean | undefined;
  /** What the case reaches that checks nothing. */
  readonly nothingChecked: Spread | undefined;
}

/** Looks at each target. */
export function reached({ cases }: Pick<BenchResult, "cases">): readonly Reached[] {
  return targets.map((target) => {
    const figure = (name: string) =>
      figureOf({ ...target, case: name }, (wanted) => cases.find((each) => each.name === wanted));
    const value = figure(target.case);
    const { atLeast = Number.NEGATIVE_INFINITY, atMost = Number.POSITIVE_INFINITY } = target;
    return {
      target,
      value,
      isMet: value && value.median >= atLeast && value.median <= atMost,
      nothingChecked: target.checksNothing === undefined ? undefined : figure(target.checksNothing),
    };
  });
}

function figureOf(
  { case: name, against, of }: Target,
  find: (name: string) => CaseResult | undefined,
): Spread | undefined {
  const its = find(name);
  if (its === undefined) return undefined;
  if (of === "calls a second") return its.throughput;
  if (of === "processor time added, µs") return its.addedMicroseconds;
  const other = against === undefined ? undefined : find(against);
  // Each was measured against the reference, in turns with it: so the reference is what they have in common.
  return other && over(other.processor, its.processor);
}

/** How many times one is the other; the quarters are those of the worst and the best that either may be. */
function over(other: Spread, its: Spread): Spread {
  return { median: other.median / its.median, low: other.low / its.high, high: other.high / its.low };
}
