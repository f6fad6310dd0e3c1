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

/** Remembers nonces until their timestamps leave the window. Throwing means that it could not be asked. */
export interface NonceStore {
  claim(use: NonceUse): NonceVerdict | Promise<NonceVerdict>;
}

/** How large an in-memory store may grow. */
export interface MemoryNonceOptions {
  /** How long a timestamp stays in the window, in seconds. @defaultValue 300 */
  readonly pastSeconds?: number;
  /** How far a timestamp may lie ahead, in seconds. @defaultValue 5 */
  readonly futureSeconds?: number;
  /** @defaultValue 1 000 000, about 150 MB: 3 300 signed calls a second in a window of 300 s */
  readonly maxNonces?: number;
  /** So that one client cannot fill the store for the others. @defaultValue a quarter of `maxNonces` */
  readonly maxNoncesPerKey?: number;
  /** Milliseconds since 1970. @defaultValue `Date.now` */
  readonly now?: () => number;
}

/** A nonce store for one process, which says when it has seen long enough to be sure. */
export interface MemoryNonceStore extends NonceStore {
  /** How many nonces it remembers. */
  readonly size: number;
  /** Whether every timestamp that is now in the window could have been seen by this process. */
  isReady(): boolean;
}

/**
 * Remembers nonces in memory. What a process before this one saw is not known, so every timestamp up to the start plus
 * the future skew is `early`; and nothing live is ever forgotten to make room.
 */
export function memoryNonceStore(options: MemoryNonceOptions = {}): MemoryNonceStore {
  const { pastSeconds = 300, futureSeconds = 5, maxNonces = 1_000_000, now = Date.now } = options;
  const { maxNoncesPerKey = Math.ceil(maxNonces / 4) } = options;
  const seen = new Set<string>();
  const perKey = new Map<string, number>();
  const bySecond = new Map<number, NonceUse[]>();
  // The newest timestamp that this store cannot vouch for: it was not there yet, or has forgotten it since. It only
  // ever rises, so that a clock that is set back brings nothing back.
  let horizon = Math.floor(now() / 1000) + futureSeconds;

  function forgetBefore(second: number): void {
    for (const [timestamp, uses] of bySecond) {
      if (timestamp >= second) continue;
      for (const { hash, keyId } of uses) {
        seen.delete(hash);
        const left = (perKey.get(keyId) ?? 1) - 1;
        if (left === 0) perKey.delete(keyId);
        else perKey.set(keyId, left);
      }
      bySecond.delete(timestamp);
    }
    horizon = Math.max(horizon, second - 1);
  }

  return {
    get size() {
      return seen.size;
    },
    isReady: () => Math.floor(now() / 1000) > horizon,
    claim(use) {
      forgetBefore(use.nowSeconds - pastSeconds);
      if (use.timestampSeconds <= horizon) return "early";
      if (seen.has(use.hash)) return "replayed";
      const used = perKey.get(use.keyId) ?? 0;
      if (used >= maxNoncesPerKey) return "quota";
      if (seen.size >= maxNonces) return "full";
      seen.add(use.hash);
      perKey.set(use.keyId, used + 1);
      const uses = bySecond.get(use.timestampSeconds);
      if (uses === undefined) bySecond.set(use.timestampSeconds, [use]);
      else uses.push(use);
      return "new";
    },
  };
}
