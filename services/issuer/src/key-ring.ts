import type { Log } from "@zero-trust/server";
import { toSeconds } from "./lifetimes.ts";
import type { ReloadedFile } from "./reloaded-file.ts";
import type { SigningKey } from "./signing-keys.ts";
import type { IssuerStore, PublishedKey } from "./store.ts";

/** How long a key is published before it signs: twice as long as verifiers take to fetch the keys again. */
export const DEFAULT_KEY_LEAD_MS = 60_000;

/** What one write to the disk is good for: a key's last token is written down ahead, rounded up to this. */
const LAST_TOKEN_STEP_SECONDS = 60;

/** The keys that are published, and the one of them that signs. */
export interface KeyRing {
  /** Those of the file; the same list until the file changes. */
  published(): readonly SigningKey[];
  /**
   * Of some keys, the newest that verifiers have had the time to fetch; the oldest while there is none.
   *
   * @throws Error when none of them is published any more
   */
  signing(among: readonly SigningKey[]): SigningKey;
  /** Writes down, before a token is given out, until when (Unix seconds) what a key signed is good. */
  signed(key: SigningKey, exp: number): Promise<void>;
  /** Writes down since when the keys are published. */
  record(): Promise<void>;
}

/** What a key ring is made of. */
export interface KeyRingOptions {
  readonly file: ReloadedFile<readonly SigningKey[]>;
  readonly store: IssuerStore;
  readonly log: Log;
  readonly leadMs: number;
  readonly now: () => number;
  /** Milliseconds that go by whatever becomes of the clock: a key's lead is measured with them. */
  readonly monotonicMs: () => number;
}

/** A key that is published, and since when, in the time that `monotonicMs` tells. */
interface KnownKey extends PublishedKey {
  readonly sinceMs: number;
}

/**
 * Makes the key ring, with what is known from before. A key that was waiting for its turn when the issuer stopped waits
 * anew: nobody could fetch it meanwhile.
 */
export async function keyRing(options: KeyRingOptions): Promise<KeyRing> {
  const { file, store, log, leadMs, now, monotonicMs } = options;
  const before = (await store.publishedKeys()).filter(({ lastTokenExp }) => lastTokenExp > 0);
  const known = new Map<string, KnownKey>(
    before.map((key) => [key.kid, { ...key, sinceMs: Number.NEGATIVE_INFINITY }]),
  );
  let keys: readonly SigningKey[] = [];
  let oldestFirst: readonly SigningKey[] = [];

  /** Not by its name alone: another key under the same name is one that nobody has fetched. */
  function knownAs(key: SigningKey): KnownKey | undefined {
    const found = known.get(key.kid);
    return found?.point === pointOf(key) ? found : undefined;
  }

  /** Later than that of every other key, also when the clock was set back meanwhile. */
  function nextPublishedAtMs(): number {
    return Math.max(now(), ...[...known.values()].map(({ publishedAtMs }) => publishedAtMs + 1));
  }

  /** The file is the truth: a key that left it is withdrawn, whatever it signed. */
  function take(): void {
    if (keys === file.current()) return;
    keys = file.current();
    const publishedAtMs = nextPublishedAtMs();
    const kept = new Set(keys.map((key) => knownAs(key)));
    for (const each of known.values()) {
      if (kept.has(each)) continue;
      const { kid, lastTokenExp } = each;
      known.delete(kid);
      const lastTokenEnds = new Date(lastTokenExp * 1000);
      if (lastTokenExp > toSeconds(now()))
        log.warn({ kid, lastTokenEnds }, "a key was withdrawn while tokens that it signed are good");
    }
    const sinceMs = monotonicMs();
    for (const key of keys) {
      const { kid } = key;
      if (!known.has(kid)) known.set(kid, { kid, point: pointOf(key), publishedAtMs, lastTokenExp: 0, sinceMs });
    }
    const order = (key: SigningKey) => knownAs(key)?.publishedAtMs ?? publishedAtMs;
    // The sort is stable: keys of one moment stay in the order of the file.
    oldestFirst = keys.toSorted((a, b) => order(a) - order(b) || a.createdAtMs - b.createdAtMs);
  }

  const ring: KeyRing = {
    published() {
      take();
      return keys;
    },
    signing(among) {
      take();
      const points = new Set(among.map(pointOf));
      const candidates = oldestFirst.filter((key) => points.has(pointOf(key)));
      const readyMs = monotonicMs() - leadMs;
      const isReady = (key: SigningKey) => (knownAs(key)?.sinceMs ?? Number.POSITIVE_INFINITY) <= readyMs;
      const key = candidates.findLast(isReady) ?? candidates[0];
      if (key === undefined) throw new Error("There is no key to sign with.");
      return key;
    },
    async signed(key, exp) {
      const found = knownAs(key);
      if (found === undefined || exp <= found.lastTokenExp) return;
      const lastTokenExp = Math.ceil(exp / LAST_TOKEN_STEP_SECONDS) * LAST_TOKEN_STEP_SECONDS;
      await store.signedUntil(key.kid, lastTokenExp);
      if (knownAs(key) === found) known.set(key.kid, { ...found, lastTokenExp });
    },
    async record() {
      take();
      await store.publishKeys([...known.values()]);
    },
  };
  await ring.record();
  return ring;
}

/** What tells a key from another of the same name. */
function pointOf({ kid, x, y }: SigningKey): string {
  return `${kid} ${x}.${y}`;
}
