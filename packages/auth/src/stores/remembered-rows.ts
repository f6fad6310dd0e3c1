import { forsake } from "../answers.ts";
import { BoundedMap } from "../bounded-map.ts";

/** How long what was looked up is remembered, and how long a look-up may take. */
export interface RememberOptions {
  /** For so long, in milliseconds, what was found is not looked up again, and neither is what was not found. @defaultValue 5 000 */
  readonly freshMs?: number;
  /**
   * For so long, in milliseconds, what was found is good while it is looked up again, and through an outage: what is revoked
   * ends after that at the latest. 25 000 at most. @defaultValue 20 000
   */
  readonly maxAgeMs?: number;
  /** How long one query may take, in milliseconds. @defaultValue 200, of which a verifier can wait for two */
  readonly timeoutMs?: number;
  /** Told once of each thing that is wrong: a row that is no good, a database that does not answer. @defaultValue a warning of the process */
  readonly onError?: (error: Error) => void;
}

/** How rows are found. */
export interface RowsToRemember<T> {
  /** What they are called in errors: `API keys`. */
  readonly what: string;
  /** Finds those of some ids; an error in the place of one that is no good. */
  readonly query: (ids: readonly string[]) => Promise<ReadonlyMap<string, T | Error>>;
}

/** Finds the row of an id, at once where it is remembered; rejects when nobody can tell what it says now. */
export type FindRow<T> = (id: string) => T | undefined | Promise<T | undefined>;

/** With the time of the query and that of the next reading of other caches, less than the 30 s in which a revocation is due. */
const LONGEST_MAX_AGE_MS = 25_000;
/** How long nobody asks a database that has just failed: it has other things to do than to fail at every call. */
const PAUSE_MS = 500;
/** Of ids that nobody knew, so many are waiting for their answer at most: callers make up as many as they like. */
const MAX_WAITING = 1_000;
/** Of ids that do not exist, so many are remembered. */
const MAX_ABSENT = 10_000;
/** Of rows that do. */
const MAX_PRESENT = 100_000;

/**
 * Looks rows up by id, one query at a time, whatever callers do: who comes while one is running waits for the next, with all
 * others that do. Rows that are asked for now and then are looked up again behind the back of those who ask.
 *
 * @throws TypeError when the times make no sense
 */
export function rememberedRows<T>(options: RememberOptions, { what, query }: RowsToRemember<T>): FindRow<T> {
  const { freshMs = 5_000, maxAgeMs = 20_000, timeoutMs = 200 } = options;
  if (!(freshMs >= 1 && freshMs <= maxAgeMs && maxAgeMs <= LONGEST_MAX_AGE_MS)) {
    throw new TypeError(`freshMs and maxAgeMs are milliseconds, from 1 to ${LONGEST_MAX_AGE_MS}, in that order.`);
  }
  if (!(timeoutMs >= 1 && timeoutMs < 2 ** 31)) throw new TypeError("timeoutMs is milliseconds, 1 or more.");
  const onError: (error: Error) => unknown = options.onError ?? warn;
  const present = new BoundedMap<{ readonly row: T; readonly askedMs: number }>(MAX_PRESENT);
  /** What was asked for last and gave no row: there is none, or it is no good. */
  const absent = new BoundedMap<{ readonly error?: Error; readonly askedMs: number }>(MAX_ABSENT);
  let waiting = new Map<string, PromiseWithResolvers<T | undefined>>();
  let asked: typeof waiting | undefined;
  let pausedUntilMs = Number.NEGATIVE_INFINITY;
  let outage: Error | undefined;

  function find(id: string): T | undefined | Promise<T | undefined> {
    const nowMs = performance.now();
    const known = present.get(id);
    const ageMs = known === undefined ? Number.POSITIVE_INFINITY : nowMs - known.askedMs;
    if (known !== undefined && ageMs < freshMs) return known.row;
    const missing = absent.get(id);
    const isAnswered = missing !== undefined && nowMs - missing.askedMs < freshMs;
    if (known !== undefined && ageMs <= maxAgeMs) {
      if (!isAnswered) forsake(ask(id, true));
      return known.row;
    }
    if (!isAnswered) return ask(id, known !== undefined);
    return missing.error === undefined ? undefined : Promise.reject(missing.error);
  }

  function ask(id: string, isKnown: boolean): Promise<T | undefined> {
    const running = asked?.get(id) ?? waiting.get(id);
    if (running !== undefined) return running.promise;
    if (outage !== undefined && performance.now() < pausedUntilMs) return Promise.reject(outage);
    if (!isKnown && waiting.size >= MAX_WAITING) return Promise.reject(new Error(`too many ${what} are looked up`));
    const answer = Promise.withResolvers<T | undefined>();
    // Who asks behind a caller's back does not wait for it.
    answer.promise.catch(() => undefined);
    waiting.set(id, answer);
    if (asked === undefined) void askForAll();
    return answer.promise;
  }

  async function askForAll(): Promise<void> {
    const batch = waiting;
    asked = batch;
    waiting = new Map();
    try {
      const askedMs = performance.now();
      const rows = await inTime(query([...batch.keys()]));
      outage = undefined;
      for (const [id, answer] of batch) settle(id, rows.get(id), askedMs, answer);
    } catch (error) {
      const { message } = error as Error;
      const failure = new Error(`The ${what} cannot be looked up: ${message}.`, { cause: error });
      if (outage?.message !== failure.message) tell(failure);
      outage = failure;
      pausedUntilMs = performance.now() + PAUSE_MS;
      for (const answer of [...batch.values(), ...waiting.values()]) answer.reject(failure);
      waiting = new Map();
    }
    asked = undefined;
    if (waiting.size > 0) void askForAll();
  }

  function settle(
    id: string,
    row: T | Error | undefined,
    askedMs: number,
    answer: PromiseWithResolvers<T | undefined>,
  ) {
    if (row instanceof Error) {
      if (absent.get(id)?.error?.message !== row.message) tell(row);
      absent.set(id, { error: row, askedMs });
      answer.reject(row);
    } else if (row === undefined) {
      present.delete(id);
      absent.set(id, { askedMs });
      answer.resolve(undefined);
    } else {
      absent.delete(id);
      present.set(id, { row, askedMs });
      answer.resolve(row);
    }
  }

  async function inTime<A>(answer: Promise<A>): Promise<A> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    try {
      return await Promise.race([answer, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** A listener that fails must not end the process. */
  function tell(error: Error): void {
    try {
      forsake(onError(error));
    } catch {
      // Nobody else is there to tell.
    }
  }

  return find;
}

/** Not in silence: whoever revoked a key in the table believes that it is revoked. */
function warn({ message }: Error): void {
  process.emitWarning(message, { code: "ZERO_TRUST_ROWS_NOT_READ" });
}
