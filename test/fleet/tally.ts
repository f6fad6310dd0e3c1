/** What came of a number of calls, as their callers saw it. */
export interface TallyFigures {
  readonly calls: number;
  /** Calls by the code that they ended with, where that was not OK. */
  readonly errors: Readonly<Record<string, number>>;
  /** The first of them, each as a sentence. */
  readonly firstErrors: readonly string[];
  /** How long calls took that were answered, in milliseconds. */
  readonly tookMs: Readonly<Record<"p50" | "p99" | "p999" | "max", number>>;
  readonly seconds: number;
}

const FIRST_ERRORS = 5;

/** Counts calls as they end. */
export class Tally {
  /** Whether nobody is to ask again for what was not answered. */
  gaveUp = false;
  #answered = 0;
  readonly #all = new Section();
  #section = new Section();

  get answered(): number {
    return this.#answered;
  }

  ended(method: string, code: string, tookMs: number, message = ""): void {
    if (code === "OK") this.#answered += 1;
    for (const section of [this.#all, this.#section]) section.ended(method, code, tookMs, message);
  }

  /** Of the calls that have ended since this was asked last. */
  since(): TallyFigures {
    const figures = this.#section.figures();
    this.#section = new Section();
    return figures;
  }

  all(): TallyFigures {
    return this.#all.figures();
  }
}

class Section {
  readonly #beganMs = performance.now();
  readonly #errors = new Map<string, number>();
  readonly #firstErrors: string[] = [];
  readonly #tookMs: number[] = [];
  #calls = 0;

  ended(method: string, code: string, tookMs: number, message: string): void {
    this.#calls += 1;
    if (code === "OK") {
      this.#tookMs.push(tookMs);
      return;
    }
    this.#errors.set(code, (this.#errors.get(code) ?? 0) + 1);
    const afterMs = Math.round(performance.now() - this.#beganMs);
    if (this.#firstErrors.length < FIRST_ERRORS)
      this.#firstErrors.push(`${method}: ${code} ${message} (after ${Math.round(tookMs)} ms, at ${afterMs} ms)`);
  }

  figures(): TallyFigures {
    const sorted = this.#tookMs.toSorted((one, other) => one - other);
    const quantile = (part: number) => Math.round(sorted[Math.ceil(sorted.length * part) - 1] ?? 0);
    return {
      calls: this.#calls,
      errors: Object.fromEntries(this.#errors),
      firstErrors: [...this.#firstErrors],
      tookMs: { p50: quantile(0.5), p99: quantile(0.99), p999: quantile(0.999), max: quantile(1) },
      seconds: Math.round((performance.now() - this.#beganMs) / 100) / 10,
    };
  }
}
