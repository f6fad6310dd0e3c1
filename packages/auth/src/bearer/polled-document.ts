import type { Agent } from "node:https";
import { forsake } from "../answers.ts";
import { requestJson } from "./request.ts";

/** Where a document of an authorization server comes from, and how long it is trusted. */
export interface PollOptions {
  /** Where it is. */
  readonly url: URL;
  /** Whom it may come from: an agent that checks the server's identity. */
  readonly agent: Agent;
  /** How long one reading may take, in milliseconds. @defaultValue 2 000 */
  readonly timeoutMs?: number;
  /** How long the last good version is served while it cannot be read, in milliseconds. @defaultValue 3 600 000 */
  readonly outageMs?: number;
  /** Told of each failed reading, for the log. */
  readonly onError?: (error: Error) => void;
  /** Milliseconds since 1970. @defaultValue `Date.now` */
  readonly now?: () => number;
}

/** What makes a document of what is read. */
export interface DocumentFormat<T> {
  /** What it is called in errors: `the key set`. */
  readonly name: string;
  readonly refreshMs: number;
  readonly maxBytes: number;
  /** Makes something of the JSON, given what was made of it before; tells what it leaves out, throws when it is no good. */
  readonly parse: (json: unknown, last: T | undefined, tell: (error: Error) => void) => T | Promise<T>;
}

/** A document that is read again and again, of which the last good version is kept for a bounded time. */
export interface PolledDocument<T> {
  /** The last good version; undefined where there is none, or none that may still be served. */
  current(): T | undefined;
  /** Whether it was read so recently that what is not in it does not exist. */
  isRecent(): boolean;
  /** When the last good version was asked for, in milliseconds since 1970; undefined before. */
  readonly checkedAtMs: () => number | undefined;
  /** Reads it again, unless that was tried a moment ago, and waits no longer than a call may. */
  ask(): Promise<void>;
  /** Stops the background refresh, and a reading that is in flight. */
  close(): void;
}

/** The least time between two readings that callers bring about, who can make up as many reasons for it as they like. */
const askCooldownMs = 5_000;
/** How long a call waits for a reading: less than its verifier may take, so that the cause is told and not a time-out. */
const maxWaitMs = 300;
/** How often a service that has no version yet asks for one: it serves nobody until then. */
const startMs = 1_000;

/**
 * Reads a document in the background, one reading in flight, and keeps the last good version through an outage.
 *
 * @throws TypeError when an option makes no sense
 */
export function polledDocument<T>(options: PollOptions, format: DocumentFormat<T>): PolledDocument<T> {
  const { url, agent, timeoutMs = 2_000, outageMs = 3_600_000, now = Date.now } = options;
  const { name, refreshMs, maxBytes, parse } = format;
  if (url.protocol !== "https:") throw new TypeError(`${name} is read over HTTPS and nothing else.`);
  if (![timeoutMs, outageMs, refreshMs].every((ms) => ms > 0 && ms < 2 ** 31)) {
    throw new TypeError(`The times of ${name} are milliseconds, more than none and less than 2^31.`);
  }
  let last: { readonly value: T; readonly askedMs: number } | undefined;
  let lastAskedMs = Number.NEGATIVE_INFINITY;
  let inFlight: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  const closing = new AbortController();

  async function read(): Promise<void> {
    try {
      const askedMs = now();
      lastAskedMs = askedMs;
      const { status, json } = await requestJson({ url, agent, timeoutMs, maxBytes, signal: closing.signal });
      if (status !== 200) throw new Error(`status ${status}`);
      last = { value: await parse(json, last?.value, tell), askedMs };
    } catch (error) {
      tell(new Error(`${name} cannot be read: ${error instanceof Error ? error.message : "unknown error"}`));
    }
  }

  function tell(error: Error): void {
    if (closing.signal.aborted) return;
    try {
      forsake(options.onError?.(error));
    } catch {
      // A log that fails must not end the refresh.
    }
  }

  function refresh(): Promise<void> {
    inFlight ??= read().finally(() => {
      inFlight = undefined;
    });
    return inFlight;
  }

  /** In both directions, so that a clock that is set back makes nothing young for ever. */
  const isWithin = (ms: number, sinceMs: number): boolean => Math.abs(now() - sinceMs) <= ms;

  async function poll(): Promise<void> {
    const startedMs = performance.now();
    await refresh();
    if (closing.signal.aborted) return;
    const everyMs = last === undefined ? Math.min(startMs, refreshMs) : refreshMs;
    // From start to start: a slow answer must not make what is withdrawn live longer.
    const waitMs = Math.max(0, everyMs - (performance.now() - startedMs));
    timer = setTimeout(() => void poll(), waitMs).unref();
  }

  void poll();
  return {
    current: () => (last !== undefined && isWithin(outageMs, last.askedMs) ? last.value : undefined),
    checkedAtMs: () => last?.askedMs,
    isRecent: () => last !== undefined && isWithin(2 * refreshMs, last.askedMs),
    async ask() {
      if (closing.signal.aborted || (inFlight === undefined && isWithin(askCooldownMs, lastAskedMs))) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      const wait = setTimeout(resolve, maxWaitMs);
      await Promise.race([refresh(), promise]);
      clearTimeout(wait);
    },
    close() {
      clearTimeout(timer);
      closing.abort();
    },
  };
}
