import { readClock } from "./clock.ts";

/** How often a call that was let in is judged again, in milliseconds. */
export const recheckMs = 1_000;

/** How many calls are judged before others get the processor, so that ten thousand of them hold nobody up. */
const sliceLength = 250;

/** What all calls of one round are judged by. */
export interface Round {
  /** When, by a clock that nobody sets: milliseconds since some point in time. */
  readonly atMs: number;
  /** Milliseconds since 1970; undefined while the clock is broken. */
  readonly nowMs: number | undefined;
  /** What the grants' source gave; undefined where it threw. */
  readonly grants: unknown;
}

/** Something that was let in, and may have to go before it ends by itself. */
export interface OpenCall {
  /** Must not throw. */
  recheck(round: Round): void;
}

/** The calls that run: each is judged again every second, since a stream may outlive what it was let in for. */
export class OpenCalls {
  /**
   * Each at its own place, which is somebody else's when it has gone. A set would do, but each time that V8 rebuilds one, what it held then is kept
   * until the whole heap is collected: nearly every call would outlive its end by a second.
   */
  readonly #places: (OpenCall | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #now: () => number;
  readonly #grants: () => unknown;
  #timer: NodeJS.Timeout | undefined;
  #isRunning = false;

  /**
   * @param now - milliseconds since 1970
   * @param grants - the grants as they are now
   */
  constructor(now: () => number, grants: () => unknown) {
    this.#now = now;
    this.#grants = grants;
  }

  get size(): number {
    return this.#places.length - this.#free.length;
  }

  /** Tells its place. */
  add(call: OpenCall): number {
    const place = this.#free.pop() ?? this.#places.length;
    this.#places[place] = call;
    // One timer for all of them, and none while there are none.
    this.#timer ??= setInterval(() => this.#recheck(), recheckMs).unref();
    return place;
  }

  delete(call: OpenCall, place: number): void {
    if (this.#places[place] !== call) return;
    this.#places[place] = undefined;
    this.#free.push(place);
    if (this.size > 0) return;
    this.#places.length = 0;
    this.#free.length = 0;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #recheck(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    const round = {
      atMs: performance.now(),
      nowMs: orUndefined(() => readClock(this.#now)),
      grants: orUndefined(this.#grants),
    };
    this.#judge(0, round);
  }

  #judge(first: number, round: Round): void {
    const next = first + sliceLength;
    // By its place and not in a copy: what leaves while others are judged is not judged.
    for (let place = first; place < next; place += 1) this.#places[place]?.recheck(round);
    if (next < this.#places.length) setImmediate(() => this.#judge(next, round));
    else this.#isRunning = false;
  }
}

function orUndefined<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch {
    return undefined;
  }
}
