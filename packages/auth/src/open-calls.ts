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

/**
 * Where a call is among those that run, which it leaves when it is over. Of a set that is always being added to V8 keeps what was in it
 * at times until the whole heap is collected; so that is not the call itself.
 */
export interface Place {
  call: OpenCall | undefined;
}

/** The calls that run: each is judged again every second, since a stream may outlive what it was let in for. */
export class OpenCalls {
  readonly #places = new Set<Place>();
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
    return this.#places.size;
  }

  /** Tells where it is, for {@link delete}. */
  add(call: OpenCall): Place {
    const place = { call };
    this.#places.add(place);
    // One timer for all of them, and none while there are none.
    this.#timer ??= setInterval(() => this.#recheck(), recheckMs).unref();
    return place;
  }

  delete(place: Place): void {
    place.call = undefined;
    if (!this.#places.delete(place) || this.#places.size > 0) return;
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
    // Those that there are: what comes later may have been let in by newer grants than the round knows.
    this.#judge([...this.#places], round);
  }

  #judge(places: readonly Place[], round: Round): void {
    for (const { call } of places.slice(0, sliceLength)) call?.recheck(round);
    if (places.length > sliceLength) setImmediate(() => this.#judge(places.slice(sliceLength), round));
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
