/** One use of an API key that was good. */
export interface ApiKeyUse {
  readonly id: string;
  readonly client: string;
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

/** How often a key's use is told, in milliseconds: often enough to see which keys nobody needs, and cheap. */
export const SAMPLE_MS = 60_000;

/** How many keys are remembered. More than these in one minute are not told, which loses nothing but a sample. */
const MAX_KEYS = 10_000;

/**
 * Tells of a key's uses, at most once a key and minute. What the listener throws, or rejects with, is dropped: a record of
 * uses must not decide who is let in.
 */
export function sampleUses(listener: (use: ApiKeyUse) => void): (use: ApiKeyUse) => void {
  // In the order in which they were told, so that the oldest are in front.
  const toldAtMs = new Map<string, number>();
  // Both ways: a clock that is set back must not silence a key for as long.
  const isRecent = (atMs: number | undefined, nowMs: number) =>
    atMs !== undefined && Math.abs(nowMs - atMs) < SAMPLE_MS;

  return (use) => {
    if (isRecent(toldAtMs.get(use.id), use.atMs)) return;
    for (const [id, atMs] of toldAtMs) {
      if (isRecent(atMs, use.atMs)) break;
      toldAtMs.delete(id);
    }
    if (toldAtMs.size >= MAX_KEYS) return;
    toldAtMs.delete(use.id);
    toldAtMs.set(use.id, use.atMs);
    void tell(listener, use);
  };
}

async function tell(listener: (use: ApiKeyUse) => unknown, use: ApiKeyUse): Promise<void> {
  try {
    await listener(use);
  } catch {
    // Nobody's call is about this.
  }
}
