import type { Log } from "@zero-trust/server";
import type { KeyStore } from "./key-store.ts";
import { toSeconds } from "./lifetimes.ts";
import type { ReloadedFile } from "./reloaded-file.ts";
import type { OwnKey, Replica } from "./replica.ts";
import type { SigningKey } from "./signing-keys.ts";

/** How long a key is published before it signs: twice as long as verifiers take to fetch the keys again. */
export const DEFAULT_KEY_LEAD_MS = 60_000;

/** What one write to the disk is good for: a key's last token is written down ahead, rounded up to this. */
const LAST_TOKEN_STEP_SECONDS = 60;

/** The keys that are published, and the one of them that signs. */
export interface KeyRing {
  /** Those of the file; the same list until the file changes. */
  published(): readonly SigningKey[];
  /**
   * Of some keys, the newest that verifiers have had the time to fetch from every replica; the oldest while there is none.
   *
   * @throws Error when none of them is published any more
   */
  signing(among: readonly SigningKey[]): SigningKey;
  /** Writes down, before a token is given out, until when (Unix seconds) what a key signed is good. */
  signed(key: SigningKey, exp: number): Promise<void>;
  /** Writes down which keys are published here, and hears from the other replicas which of them may sign. */
  record(): Promise<void>;
}

/** What a key ring is made of. */
export interface KeyRingOptions {
  readonly file: ReloadedFile<readonly SigningKey[]>;
  readonly store: KeyStore;
  readonly replica: Replica;
  readonly log: Log;
  readonly now: () => number;
  /** Milliseconds that go by whatever becomes of the clock: a key's lead is measured with them. */
  readonly monotonicMs: () => number;
}

/** A key that is published here, and whether it may sign. */
interface KnownKey extends OwnKey {
  readonly isReady: boolean;
}

/**
 * Makes the key ring, with what is known from before. A key that was waiting for its turn when the issuer stopped waits
 * anew: nobody could fetch it meanwhile.
 */
export async function keyRing(options: KeyRingOptions): Promise<KeyRing> {
  const { file, store, replica, log, now, monotonicMs } = options;
  const startedMs = monotonicMs();
  /** By point: another key under the same name is one that nobody has fetched. */
  const known = new Map<string, KnownKey>(
    (await store.publishedKeys()).map((key) => [
      key.point,
      { ...key, sinceMs: key.lastTokenExp > 0 ? Number.NEGATIVE_INFINITY : startedMs },
    ]),
  );
  let keys: readonly SigningKey[] = [];
  let oldestFirst: readonly SigningKey[] = [];

  function knownAs(key: SigningKey): KnownKey | undefined {
    return known.get(pointOf(key));
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
    const kept = new Set(keys.map(pointOf));
    for (const { kid, point, lastTokenExp } of known.values()) {
      if (kept.has(point)) continue;
      known.delete(point);
      const lastTokenEnds = new Date(lastTokenExp * 1000);
      if (lastTokenExp > toSeconds(now()))
        log.warn({ kid, lastTokenEnds }, "a key was withdrawn while tokens that it signed are good");
    }
    const sinceMs = monotonicMs();
    for (const key of keys) {
      const [{ kid }, point] = [key, pointOf(key)];
      if (!known.has(point)) known.set(point, { kid, point, publishedAtMs, lastTokenExp: 0, sinceMs, isReady: false });
    }
    sort();
  }

  function sort(): void {
    const order = (key: SigningKey) => knownAs(key)?.publishedAtMs ?? Number.POSITIVE_INFINITY;
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
      const key = candidates.findLast((each) => knownAs(each)?.isReady) ?? candidates[0];
      if (key === undefined) throw new Error("There is no key to sign with.");
      return key;
    },
    async signed(key, exp) {
      const found = knownAs(key);
      if (found === undefined || exp <= found.lastTokenExp) return;
      const lastTokenExp = Math.ceil(exp / LAST_TOKEN_STEP_SECONDS) * LAST_TOKEN_STEP_SECONDS;
      const signed = { ...found, lastTokenExp };
      await store.signedUntil(signed);
      if (knownAs(key) === found) known.set(found.point, signed);
    },
    async record() {
      take();
      const said = new Map(known);
      for (const { point, isReady, publishedAtMs, lastTokenExp } of await replica.keepUp([...said.values()])) {
        const is = known.get(point);
        // One that was taken out and put in again meanwhile waits anew.
        if (is === undefined || is.sinceMs !== said.get(point)?.sinceMs) continue;
        known.set(point, { ...is, isReady, publishedAtMs, lastTokenExp: Math.max(is.lastTokenExp, lastTokenExp) });
      }
      sort();
    },
  };
  await ring.record();
  return ring;
}

/** What tells a key from another of the same name. */
function pointOf({ kid, x, y }: SigningKey): string {
  return `${kid} ${x}.${y}`;
}
