/** How often a call that was let in is judged again, in milliseconds. */
const recheckMs = 1_000;

/** Something that was let in, and may have to go before it ends by itself. */
export interface OpenCall {
  recheck(): void;
}

/** The calls that run: each is judged again every second, since a stream may outlive what it was let in for. */
export class OpenCalls {
  readonly #calls = new Set<OpenCall>();
  #timer: NodeJS.Timeout | undefined;

  add(call: OpenCall): void {
    this.#calls.add(call);
    // One timer for all of them, and none while there are none.
    this.#timer ??= setInterval(() => this.#recheck(), recheckMs).unref();
  }

  delete(call: OpenCall): void {
    if (!this.#calls.delete(call) || this.#calls.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #recheck(): void {
    for (const call of this.#calls) call.recheck();
  }
}
