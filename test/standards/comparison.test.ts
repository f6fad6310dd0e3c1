import { expect, test } from "vitest";
import { compare, type Outcome, type Theirs } from "./comparison.ts";
import type { Expected } from "./expected.ts";
import { report } from "./report.ts";

const wrong = "refused: the signature is wrong";
const stricter = "refused: it is too short";
const expected: Expected = {
  title: "Vectors",
  file: "vectors.json",
  source: "somebody",
  seen: ["1-3", "named"],
  differences: [{ ids: ["3"], ours: stricter, reason: "Short keys are weak." }],
};

function outcome(id: string, theirs: Theirs, ours: string): Outcome {
  return { id, comment: "a comment", theirs, ours };
}

const good = [
  outcome("1", "valid", "accepted"),
  outcome("2", "invalid", wrong),
  outcome("3", "valid", stricter),
  outcome("named", "acceptable", wrong),
];

test("counts what agrees, by why it was refused, and tells a difference with its reason", () => {
  const comparison = compare(good, expected);
  expect(comparison).toEqual({
    title: "Vectors",
    agreed: { accepted: 1, refused: new Map([[wrong, 2]]) },
    differences: [{ theirs: "valid", ours: stricter, reason: "Short keys are weak.", ids: ["3"] }],
    unknown: [],
    missing: [],
    alarms: [],
    failures: [],
  });
  expect(report(comparison)).toEqual([
    "\nVectors: 3 agree (1 accepted, 2 refused), 1 differ, 0 not compared",
    `  2 × ${wrong}`,
    `  ≠ 1 × valid by the file, ${stricter}: 3`,
    "    Short keys are weak.",
  ]);
});

test.each([
  ["agreed and differs", outcome("1", "valid", wrong), /^1 .*expected to agree.*the signature is wrong/],
  ["differs for another reason", outcome("3", "valid", wrong), /^3 .*expected refused: it is too short/],
  ["differed and agrees", outcome("3", "valid", "accepted"), /^3 .*it agrees now: "accepted"/],
  ["was compared and is not", outcome("2", "invalid", "not compared: it has lists"), /^2 .*expected to agree/],
  ["is accepted and invalid", outcome("2", "invalid", "accepted"), /^2 .*expected to agree/],
])("fails for one that %s", (_what, other, failure) => {
  const { failures } = compare(
    good.map((each) => (each.id === other.id ? other : each)),
    expected,
  );
  expect(failures[0]).toMatch(failure);
});

test("fails for one that is accepted and invalid, although nobody has seen it before, and says so loudly", () => {
  const comparison = compare([...good, outcome("4", "invalid", "accepted")], expected);
  expect(comparison.failures).toEqual(["4 (a comment): ACCEPTED HERE, AND INVALID BY THE FILE."]);
  expect(report(comparison).join("\n")).toContain("‼ ACCEPTED HERE, AND INVALID BY THE FILE: 4 (a comment)");
});

test("says it loudly too where a reason is checked in", () => {
  const differences = [{ ids: ["2"], ours: "accepted", reason: "The file is wrong." }];
  const comparison = compare([outcome("2", "invalid", "accepted")], { ...expected, differences });
  expect(comparison.failures).toEqual([]);
  expect(comparison.alarms).toHaveLength(1);
});

test("tells of those that nobody has seen, and of those that are not there, without failing", () => {
  const comparison = compare(
    [...good.slice(1), outcome("4", "valid", wrong), outcome("5", "invalid", wrong)],
    expected,
  );
  expect(comparison).toMatchObject({ unknown: ["4", "5"], missing: ["1"], failures: [] });
  expect(report(comparison)).toEqual(
    expect.arrayContaining([
      "    no reason is checked in for it",
      "  ? no outcome is checked in for 2: 4-5",
      "  ? not in this file, of those checked in: 1",
    ]),
  );
});
