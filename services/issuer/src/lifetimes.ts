/** A stolen token is worth this much, and a client asks this often. */
export const TOKEN_LIFETIME_SECONDS = 300;

/** A revocation outlives what it revokes by this, for verifiers whose clocks are behind. */
export const REVOCATION_MARGIN_SECONDS = 60;

/**
 * A clock to forget by: it never shows more than was shown at first and has gone by since. What was used or revoked
 * comes back to nobody while the other one is set forward.
 */
export function forgettingClock(now: () => number, monotonicMs: () => number): () => number {
  const startedMs = now() - monotonicMs();
  return () => Math.min(now(), startedMs + monotonicMs());
}

/** Milliseconds since 1970 as Unix seconds, as a token made at that time says them. */
export function toSeconds(timeMs: number): number {
  return Math.floor(timeMs / 1000);
}
