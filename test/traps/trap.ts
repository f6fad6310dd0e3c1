/** What a trap does to whoever steps into it. */
export type Effect = "lets in" | "leaks" | "hangs" | "breaks" | "surprises";

/** A test of this repository: its file from the root, and its name as it stands there. */
export type TestReference = readonly [file: string, name: string];

/** Something that grpc-js or Node does and that its user does not expect. Texts are Markdown. */
export interface Trap {
  /** The anchor of its heading. It does not change, since others link to it. */
  readonly id: string;
  readonly title: string;
  readonly effect: Effect;
  readonly happens: string;
  /** What to do with nothing but grpc-js and Node. */
  readonly instead: string;
  /** The lines of a test between `// page: <snippet>` and `// end` that do it. */
  readonly snippet?: string;
  /** The tests in this folder that show what the libraries do, by name; or why none can. */
  readonly library: readonly string[] | { readonly notShown: string };
  /** What the packages of this repository do about it. */
  readonly here: string;
  /** The tests of that. */
  readonly ours: readonly TestReference[];
}

export interface Section {
  readonly title: string;
  readonly intro: string;
  readonly traps: readonly Trap[];
}
