/** What is checked in of one file of vectors. */
export interface Expected {
  /** What is compared. */
  readonly title: string;
  readonly file: string;
  /** Where the file comes from. */
  readonly source: string;
  /** Those whose outcome somebody has seen: `18`, `18-32`, or a name. Each agrees, unless it is among the differences. */
  readonly seen: readonly string[];
  readonly differences: readonly ExpectedDifference[];
}

/** Vectors of which we say something else than the file, and why that is right. */
export interface ExpectedDifference {
  /** As in {@link Expected.seen}. */
  readonly ids: readonly string[];
  /** Word for word. */
  readonly ours: string;
  readonly reason: string;
}

/** The ids that a list names, ranges written out. */
export function idsOf(names: readonly string[]): ReadonlySet<string> {
  return new Set(
    names.flatMap((name) => {
      const [, first, last] = /^(\d+)-(\d+)$/.exec(name) ?? [];
      if (first === undefined || last === undefined) return [name];
      return Array.from({ length: Number(last) - Number(first) + 1 }, (_, index) => String(Number(first) + index));
    }),
  );
}
