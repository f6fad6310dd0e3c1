import type { Comparison, Difference } from "./comparison.ts";

/** What a comparison found, in lines for a terminal. */
export function report(comparison: Comparison): readonly string[] {
  const { title, agreed, differences, unknown, missing, alarms, failures } = comparison;
  const refused = [...agreed.refused.values()].reduce((sum, count) => sum + count, 0);
  const [compared, others] = [true, false].map((is) => differences.filter((each) => isCompared(each) === is));
  return [
    `\n${title}: ${agreed.accepted + refused} agree (${agreed.accepted} accepted, ${refused} refused), ${sumOf(compared)} differ, ${sumOf(others)} not compared`,
    ...[...agreed.refused].sort(([, one], [, other]) => other - one).map(([why, count]) => `  ${count} × ${why}`),
    ...differences.flatMap(linesOf),
    ...(unknown.length === 0 ? [] : [`  ? no outcome is checked in for ${unknown.length}: ${listed(unknown)}`]),
    ...(missing.length === 0 ? [] : [`  ? not in this file, of those checked in: ${listed(missing)}`]),
    ...alarms.map(({ id, comment }) => `  ‼ ACCEPTED HERE, AND INVALID BY THE FILE: ${id} (${comment})`),
    ...failures.map((failure) => `  ✗ ${failure}`),
  ];
}

function linesOf(difference: Difference): readonly string[] {
  const { theirs, ours, reason, ids } = difference;
  if (!isCompared(difference)) return [`  - ${ids.length} × ${theirs} by the file, ${ours}: ${listed(ids)}`];
  return [
    `  ≠ ${ids.length} × ${theirs} by the file, ${ours}: ${listed(ids)}`,
    `    ${reason ?? "no reason is checked in for it"}`,
  ];
}

function isCompared({ ours }: Difference): boolean {
  return !ours.startsWith("not compared: ");
}

function sumOf(differences: readonly Difference[] = []): number {
  return differences.reduce((sum, { ids }) => sum + ids.length, 0);
}

/** Ids, numbers that follow each other as a range, and not more than fit. */
function listed(ids: readonly string[]): string {
  const ranges: { first: string; last: string }[] = [];
  for (const id of ids) {
    const range = ranges.at(-1);
    if (range !== undefined && Number(id) === Number(range.last) + 1) range.last = id;
    else ranges.push({ first: id, last: id });
  }
  const texts = ranges.map(({ first, last }) => (first === last ? first : `${first}-${last}`));
  const most = 20;
  return [...texts.slice(0, most), ...(texts.length > most ? [`and ${texts.length - most} more`] : [])].join(", ");
}
