import { EventEmitter, once } from "node:events";

/** Whose calls they are. */
export type Client = "storefront" | "partner";

/** An order that was asked for. */
export interface Asked {
  readonly requestId: string;
  /** By `contentOf()`. */
  readonly content: string;
}

/** What came back for a request. */
export interface Answer {
  /** In the order of what was asked. */
  readonly orderIds: readonly string[];
  /** By `contentOf()`, where the answer has it. */
  readonly content?: string;
  /** All of it as text: what is answered twice has to be answered alike. */
  readonly text: string;
}

/** A request that places orders, and what its caller was told, however often it asked. */
export interface Placing {
  readonly client: Client;
  readonly orders: readonly Asked[];
  readonly answers: Answer[];
  /** When the attempt began that was answered first. */
  answeredAttemptAtMs: number;
}

/** What callers did in one run, and what they saw of it. */
export class History {
  readonly placings: Placing[] = [];
  /** What a caller can tell at once to be wrong. */
  readonly complaints: string[] = [];
  /** Attempts by the status code that they ended with. */
  readonly attempts: Map<string, number> = new Map<string, number>();
  /** Operations by what they were. */
  readonly operations: Map<string, number> = new Map<string, number>();
  /** How long each new request took until it was acknowledged, with all its attempts, in milliseconds. */
  readonly acknowledgedAfterMs: number[] = [];
  /** When a request was last acknowledged, by the clock of `performance`. */
  lastAnswerMs: number = performance.now();
  readonly #events = new EventEmitter();

  /** How many operations have begun. */
  get begun(): number {
    return [...this.operations.values()].reduce((sum, count) => sum + count, 0);
  }

  began(operation: string): void {
    this.operations.set(operation, (this.operations.get(operation) ?? 0) + 1);
  }

  attempted(code: string): void {
    this.attempts.set(code, (this.attempts.get(code) ?? 0) + 1);
  }

  /** Notes an answer: from here on the orders are there for good. */
  answered(placing: Placing, answer: Answer): void {
    placing.answers.push(answer);
    this.lastAnswerMs = performance.now();
    this.#events.emit("answered");
  }

  /** Resolves with the next answer that somebody gets. */
  async nextAnswer(signal: AbortSignal): Promise<void> {
    await once(this.#events, "answered", { signal });
  }
}
