/** What a server says of a call: its messages are dealt with, it has a deadline, it was ended from outside. */
export type CallEvent = "began" | "timed" | "ended";

/** What a server has said of its calls, to be waited for. */
export class CallEvents {
  readonly #events = new Map<string, PromiseWithResolvers<void>>();
  readonly #calls = new Set<string>();

  add(call: string, event: CallEvent): void {
    this.#calls.add(call);
    this.#eventOf(call, event).resolve();
  }

  /** Whether anything was said of a call. */
  has(call: string): boolean {
    return this.#calls.has(call);
  }

  until(call: string, event: CallEvent): Promise<void> {
    return this.#eventOf(call, event).promise;
  }

  #eventOf(call: string, event: CallEvent): PromiseWithResolvers<void> {
    const key = `${call} ${event}`;
    const known = this.#events.get(key) ?? Promise.withResolvers<void>();
    this.#events.set(key, known);
    return known;
  }
}
