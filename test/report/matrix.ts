import { countStates, marks, type Report, type RowReport } from "./report.ts";

/** The report in a few lines, for the terminal. */
export function matrixOf(report: Report): string {
  const width = Math.max(...report.groups.map(({ title }) => title.length));
  const lines = report.groups.map(
    ({ title, rows }) => `  ${title.padEnd(width)}  ${rows.map(({ id, state }) => `${marks[state]}${id}`).join(" ")}`,
  );
  const counts = countStates(report);
  const open = report.groups.flatMap(({ rows }) => rows).filter(({ state }) => state === "open");
  const legend = [...counts].map(([state, count]) => `${marks[state]} ${count} ${state}`).join(", ");
  return [
    `The catalogue, against ${report.driver}:`,
    ...lines,
    `  ${legend}`,
    ...open.flatMap((row) => ["", `  ✗ ${row.id}: ${row.attack}`, ...whyOpen(row).map((why) => `      ${why}`)]),
  ].join("\n");
}

function whyOpen({ expected, observed, tests }: RowReport): readonly string[] {
  const failed = tests.filter(({ passed }) => !passed).map(({ claim }) => `failed: ${claim}`);
  const unseen = expected.filter((each) => !observed.includes(each)).map((each) => `not seen: ${each}`);
  return [...failed, ...unseen];
}
