/** STRIDE: what the attacker does. */
export type Stride =
  | "Spoofing"
  | "Tampering"
  | "Repudiation"
  | "Information disclosure"
  | "Denial of service"
  | "Elevation of privilege";

/** One thing that somebody might do, and what stands against it. Texts are Markdown. */
export interface Threat {
  /** The anchor of its heading; the report links to it. */
  readonly id: string;
  readonly stride: Stride;
  /** What the attacker does, and what it would bring. */
  readonly threat: string;
  /** Why it brings nothing. */
  readonly answer: string;
  /** The files that answer it, from the top of the repository. */
  readonly files: readonly string[];
  /** The rows of the catalogue that prove it. */
  readonly scenarios: readonly string[];
  /** Who asks for it. */
  readonly standards: readonly string[];
}

/** Where trust changes. */
export interface Boundary {
  readonly title: string;
  /** Who is on either side, and what crosses. */
  readonly intro: string;
  readonly threats: readonly Threat[];
}
