import { defaultWindow } from "./string-to-sign.ts";

/** One use of a nonce. */
export interface NonceUse {
  readonly keyId: string;
  /** A hash of key id and nonce, of fixed size. */
  readonly hash: string;
  /** Unix seconds of the request that it came with. */
  readonly timestampSeconds: number;
  /** Unix seconds now. */
  readonly nowSeconds: number;
}

/** What became of it: `new`, `replayed`, or not known: `early` (the store is too young), `quota`, `full`. */
export type NonceVerdict = "new" | "replayed" | "early" | "quota" | "full";

/** How far a timestamp may lie from now, in whole seconds: behind it and ahead. */
export interface NonceWindow {
  /** @defaultValue 300 */
  readonly pastSeconds?: number;
  /** @defaultValue 5 */
  readonly futureSeconds?: number;
}

/**
 * Remembers nonces until their timestamps leave the window, for all processes that verify with the same keys: what one of them
 * served, the others would serve again. Throwing means that it could not be asked.
 */
export interface NonceStore {
  /** For how long it remembers; `hmac()` does not start over a store whose window is smaller than its own. */
  readonly window?: Required<NonceWindow>;
  /** Takes a nonce for used, once and for all who ask at the same time: one atomic step. */
  claim(use: NonceUse): NonceVerdict | Promise<NonceVerdict>;
}

/** How large an in-memory store may grow. */
export interface MemoryNonceOptions extends NonceWindow {
  /** @defaultValue 1 000 000, about 110 MB: 3 300 signed calls a second in a window of 300 s */
  readonly maxNonces?: number;
  /** So that one client cannot fill the store for the others. @defaultValue a quarter of `maxNonces` */
  readonly maxNoncesPerKey?: number;
  /** Milliseconds since 1970. @defaultValue `Date.now` */
  readonly now?: () => number;
}

/** A nonce store for one process, which says when it has seen long enough to be sure. */
export interface MemoryNonceStore extends NonceStore {
  readonly window: Required<NonceWindow>;
  claim(use: NonceUse): NonceVerdict;
  /** How many nonces it remembers. */
  readonly size: number;
  /** Whether every timestamp that is now in the window could have been seen by this process. */
  isReady(): boolean;
}

/** The nonces of some neighbouring seconds, which are forgotten together, whatever their number. */
interface Slice {
  readonly hashes: Set<string>;
  readonly perKey: Map<string, number>;
  newestSeconds: number;
}

/** Few enough to look through for each claim, and enough to remember at most a sixteenth longer than the window. */
const SLICES = 16;

/**
 * Remembers nonces in memory. What a process before this one saw is not known, so every timestamp up to the start plus
 * the future skew is `early`; and nothing live is ever forgotten to make room. It is for a service of one process: several need
 * a {@link NonceStore} that they share.
 *
 * @param options - the window, and how much is remembered
 * @throws TypeError when the window is not one, or a limit is none
 */
export function memoryNonceStore(options: MemoryNonceOptions = {}): MemoryNonceStore {
  const { maxNonces = 1_000_000, now = Date.now } = options;
  const { maxNoncesPerKey = Math.ceil(maxNonces / 4) } = options;
  for (const [name, limit] of Object.entries({ maxNonces, maxNoncesPerKey })) {
    // Nothing is ever more than NaN.
    if (!Number.isSafeInteger(limit) || limit < 1) throw new TypeError(`${name} is not a whole number of nonces.`);
  }
  const window = windowOf(options);
  const sliceSeconds = Math.ceil((window.pastSeconds + window.futureSeconds + 1) / SLICES);
  const slices = new Map<number, Slice>();
  let size = 0;
  /** How many of them are whose. */
  const sizeOfKey = new Map<string, number>();
  // The newest timestamp that this store cannot vouch for: it was not there yet, or has forgotten it since. It only
  // ever rises, so that a clock that is set back brings nothing back; and no further than what was used, so that a clock
  // that was ahead for a moment shuts nobody out for as long.
  let horizon = Math.floor(now() / 1000) + window.futureSeconds;

  /** It is looked for what to forget once a second, and not for each claim. */
  let forgottenUpTo = Number.NEGATIVE_INFINITY;

  function forgetUpTo(second: number): void {
    if (second === forgottenUpTo) return;
    forgottenUpTo = second;
    for (const [index, { hashes, perKey, newestSeconds }] of slices) {
      const isOver = (index + 1) * sliceSeconds - 1 <= second;
      if (!isOver) continue;
      slices.delete(index);
      size -= hashes.size;
      for (const [keyId, forgotten] of perKey) {
        const left = (sizeOfKey.get(keyId) ?? 0) - forgotten;
        if (left > 0) sizeOfKey.set(keyId, left);
        else sizeOfKey.delete(keyId);
      }
      horizon = Math.max(horizon, newestSeconds);
    }
  }

  function sliceOf(second: number): Slice {
    const index = Math.floor(second / sliceSeconds);
    const slice = slices.get(index) ?? { hashes: new Set(), perKey: new Map(), newestSeconds: second };
    slice.newestSeconds = Math.max(slice.newestSeconds, second);
    slices.set(index, slice);
    return slice;
  }

  return {
    window,
    get size() {
      return size;
    },
    isReady: () => Math.floor(now() / 1000) > horizon,
    claim({ keyId, hash, timestampSeconds, nowSeconds }) {
      forgetUpTo(nowSeconds - window.pastSeconds - 1);
      if (!(timestampSeconds > horizon)) return "early";
      for (const { hashes } of slices.values()) if (hashes.has(hash)) return "replayed";
      const ofKey = sizeOfKey.get(keyId) ?? 0;
      if (ofKey >= maxNoncesPerKey) return "quota";
      if (size >= maxNonces) return "full";
      const { hashes, perKey } = sliceOf(timestampSeconds);
      hashes.add(hash);
      perKey.set(keyId, (perKey.get(keyId) ?? 0) + 1);
      sizeOfKey.set(keyId, ofKey + 1);
      size += 1;
      return "new";
    },
  };
}

/**
 * The window that is asked for.
 *
 * @throws TypeError when it is not in whole seconds
 */
export function windowOf({ pastSeconds, futureSeconds }: NonceWindow): Required<NonceWindow> {
  const window = {
    pastSeconds: pastSeconds ?? defaultWindow.pastSeconds,
    futureSeconds: futureSeconds ?? defaultWindow.futureSeconds,
  };
  for (const [name, seconds] of Object.entries(window)) {
    if (!Number.isSafeInteger(seconds) || seconds < 0) throw new TypeError(`${name} is not a whole number of seconds.`);
  }
  return window;
}
