import { type Metadata, status } from "@grpc/grpc-js";
import { reasonOf } from "@zero-trust/auth";

/** What a line of the demo is about. */
export interface Line {
  readonly who: string;
  readonly call: string;
  readonly shows: string;
  /** `OK`, `OK, PAID`, `UNAVAILABLE`, `UNAUTHENTICATED CREDENTIAL_MISSING`, … */
  readonly expect: string;
}

const widths = { who: 15, call: 17, shows: 33 };

/** Prints lines as they happen, and remembers whether each was as it should be. */
export class Table {
  readonly #write: (text: string) => void;
  #wrong = 0;
  #lines = 0;
  #stopped = false;

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  get wrong(): number {
    return this.#wrong;
  }

  get lines(): number {
    return this.#lines;
  }

  /** Prints and counts nothing from here on: calls that are cut off say nothing about the services. */
  stop(): void {
    this.#stopped = true;
  }

  title(text: string): void {
    if (!this.#stopped) this.#write(`\n${text}\n`);
  }

  /**
   * Makes a call and prints what came of it.
   *
   * @param call - returns what to show behind `OK`, if anything
   */
  async line({ who, call: name, shows, expect }: Line, call: () => Promise<string | undefined>): Promise<void> {
    const got = await call().then((result) => (result === undefined ? "OK" : `OK, ${result}`), describeError);
    if (this.#stopped) return;
    const right = got === expect;
    this.#lines += 1;
    if (!right) this.#wrong += 1;
    const columns = [who.padEnd(widths.who), name.padEnd(widths.call), shows.padEnd(widths.shows)].join(" ");
    this.#write(`  ${right ? "✓" : "✗"} ${columns} ${got}${right ? "" : `   ← should be: ${expect}`}\n`);
  }
}

function describeError(error: unknown): string {
  const { code, metadata } = error as { readonly code?: number; readonly metadata?: Metadata };
  if (code === undefined) return error instanceof Error ? error.message : "something that is not an error";
  const reason = reasonOf({ metadata });
  return reason === undefined ? `${status[code]}` : `${status[code]} ${reason}`;
}
