import { type Expected, idsOf } from "./expected.ts";

/** What a file of vectors says of one of them: `acceptable` leaves it open. */
export type Theirs = "valid" | "invalid" | "acceptable";

/** One vector, and what became of it here. */
export interface Outcome {
  readonly id: string;
  readonly comment: string;
  readonly theirs: Theirs;
  /** `accepted`, `refused: why`, or `not compared: why`. */
  readonly ours: string;
}

/** A difference of one kind. */
export interface Difference {
  readonly theirs: Theirs;
  readonly ours: string;
  /** Checked in; undefined for vectors of which nothing is. */
  readonly reason: string | undefined;
  readonly ids: readonly string[];
}

/** One file, compared. */
export interface Comparison {
  readonly title: string;
  readonly agreed: { readonly accepted: number; readonly refused: ReadonlyMap<string, number> };
  readonly differences: readonly Difference[];
  /** In the file, and not among those whose outcome is checked in. */
  readonly unknown: readonly string[];
  /** Checked in, and not in the file. */
  readonly missing: readonly string[];
  /** Accepted here, and invalid by the file: each is a hole until somebody has said why not. */
  readonly alarms: readonly Outcome[];
  /** Sentences; empty when every outcome is the one that is checked in. */
  readonly failures: readonly string[];
}

/** Compares what became of the vectors of a file with what the file says, and both with what is checked in. */
export function compare(outcomes: readonly Outcome[], expected: Expected): Comparison {
  const seen = idsOf(expected.seen);
  const reasons = new Map(
    expected.differences.flatMap((each) => [...idsOf(each.ids)].map((id) => [id, each] as const)),
  );
  const failures = new Set<string>();
  const differences = new Map<string, Difference>();
  const refused = new Map<string, number>();
  let accepted = 0;

  for (const { id, comment, theirs, ours } of outcomes) {
    const known = reasons.get(id);
    const name = `${id} (${comment})`;
    if (agrees(theirs, ours)) {
      if (ours === "accepted") accepted += 1;
      else refused.set(ours, (refused.get(ours) ?? 0) + 1);
      if (known !== undefined) failures.add(`${name}: expected "${known.ours}", and it agrees now: "${ours}".`);
      continue;
    }
    if (seen.has(id) && known?.ours !== ours) {
      failures.add(`${name}: ${theirs} by the file, expected ${known?.ours ?? "to agree"}, and it is ${ours}.`);
    }
    if (isAlarm({ theirs, ours }) && known?.ours !== ours) {
      failures.add(`${name}: ACCEPTED HERE, AND INVALID BY THE FILE.`);
    }
    const reason = known?.ours === ours ? known.reason : undefined;
    const kind = JSON.stringify([theirs, ours, reason]);
    const ids = [...(differences.get(kind)?.ids ?? []), id];
    differences.set(kind, { theirs, ours, reason, ids });
  }

  const inFile = new Set(outcomes.map(({ id }) => id));
  return {
    title: expected.title,
    agreed: { accepted, refused },
    differences: [...differences.values()],
    unknown: [...inFile].filter((id) => !seen.has(id)),
    missing: [...seen].filter((id) => !inFile.has(id)),
    alarms: outcomes.filter(isAlarm),
    failures: [...failures],
  };
}

function agrees(theirs: Theirs, ours: string): boolean {
  if (ours === "accepted") return theirs !== "invalid";
  return ours.startsWith("refused: ") && theirs !== "valid";
}

function isAlarm({ theirs, ours }: Pick<Outcome, "theirs" | "ours">): boolean {
  return theirs === "invalid" && ours === "accepted";
}
