/** A text in a file, and what stands there instead when a defence is gone. */
export interface Edit {
  /** Relative to the repository. */
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly search: string;
  readonly replace: string;
}

/** An edit that takes one defence away, and the tests that have to notice. */
export interface Mutant extends Edit {
  /** Unique, kebab-case. */
  readonly id: string;
  /** What an attacker could do if this edit were made. */
  readonly opens: string;
  /** The other locks of the same door: it opens when all of them are gone. */
  readonly also?: readonly Edit[];
  /** Test files of one package, relative to the repository, at least one test of which has to fail. */
  readonly tests: readonly string[];
  /** Runs only the tests whose names have this regular expression, where the files are slow. */
  readonly named?: string;
}

/**
 * Makes the edit.
 *
 * @throws {Error} when the text to replace is not there exactly once: the mutant is stale
 */
export function mutate(source: string, { search, replace }: Pick<Edit, "search" | "replace">): string {
  const [before, after, ...more] = source.split(search);
  if (before === undefined || after === undefined || more.length > 0) {
    throw new Error(`its text is ${after === undefined ? "not" : "more than once"} in the file`);
  }
  return before + replace + after;
}
