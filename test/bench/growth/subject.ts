/** Something that there may be few or very many of. */
export interface Subject {
  /** What they are, after a number: `API keys`. */
  readonly what: string;
  /** From few to many. */
  readonly sizes: readonly number[];
  /** The largest of them that a quick run has. */
  readonly quickSize: number;
  /** What is measured of them, by its name in `Grown.works`. */
  readonly works: Readonly<Record<string, Work>>;
  /** Makes so many. */
  grow(size: number): Promise<Grown>;
}

/** Something that a process does when there are so many. */
export interface Work {
  readonly what: string;
  /** How often it is done for one figure. */
  readonly times: number;
  /** Whether it takes longer the more there are, and is meant to: what is done once for all of them. */
  readonly isForAll?: true;
}

/** So many of them. */
export interface Grown {
  /** What they take in memory. */
  readonly bytes: number;
  /** What is measured, once. */
  readonly works: Readonly<Record<string, () => unknown>>;
  /** Makes them so many again, before each measurement, and whatever the works will need; not measured. */
  restore?(): void | Promise<void>;
}
