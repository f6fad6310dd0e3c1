import { type Answer, isThenable } from "./with-answer.ts";

/**
 * The time that one decision may take, in all, over whatever it has to wait for. Waiting for the caller is not counted; what
 * waits at the same time is counted once. Nor is the time, up to as much again, in which this process did nothing at all: it was not given
 * the processor, or waited for its disk, and the answer may be there without having been heard.
 */
export class CallBudget {
  readonly #limitMs: number;
  #leftMs: number;
  #waiting = 0;
  #sinceMs = 0;
  /** Since then: how much later than asked for a timer ran. */
  #stalledMs = 0;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
    this.#leftMs = limitMs;
  }

  /**
   * Waits for an answer as long as there is time, and never for one that is there.
   *
   * @param keepMs - how much time to keep for what comes after, in milliseconds
   */
  wait<T>(answer: T | PromiseLike<T>, keepMs = 0): Answer<T> {
    return isThenable(answer) ? this.#race(answer, keepMs) : answer;
  }

  async #race<T>(answer: PromiseLike<T>, keepMs: number): Promise<T> {
    const nowMs = performance.now();
    if (this.#waiting === 0) {
      this.#sinceMs = nowMs;
      this.#stalledMs = 0;
    }
    this.#waiting += 1;
    const leftMs = Math.max(0, this.#leftMs - (nowMs - this.#sinceMs) - keepMs);
    const { promise: late, reject } = Promise.withResolvers<never>();
    const giveUp = () => reject(new Error(`no answer within the ${this.#limitMs} ms that a decision may take`));
    let timer = setTimeout(() => {
      const stalledMs = Math.min(this.#limitMs, performance.now() - nowMs - leftMs);
      if (stalledMs < 1) {
        giveUp();
        return;
      }
      this.#stalledMs = Math.max(this.#stalledMs, stalledMs);
      // Once: a process that is always late refuses all the same.
      timer = setTimeout(giveUp, stalledMs);
    }, leftMs);
    try {
      return await Promise.race([answer, late]);
    } finally {
      clearTimeout(timer);
      this.#waiting -= 1;
      if (this.#waiting === 0) this.#leftMs -= performance.now() - this.#sinceMs - this.#stalledMs;
    }
  }
}
