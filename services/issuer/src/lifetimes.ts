/** A stolen token is worth this much, and a client asks this often. */
export const TOKEN_LIFETIME_SECONDS = 300;

/** A revocation outlives what it revokes by this, for verifiers whose clocks are behind. */
export const REVOCATION_MARGIN_SECONDS = 60;

/** Milliseconds since 1970 as Unix seconds, as a token made at that time says them. */
export function toSeconds(timeMs: number): number {
  return Math.floor(timeMs / 1000);
}
