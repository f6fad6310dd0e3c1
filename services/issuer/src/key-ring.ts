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
  /** The newest key that verifiers have had the time to fetch; the oldest while there is none. */
  signing(): SigningKey;
  /** Writes down, before a token is given out, until when (Unix seconds) what a key signed is good. */
  signed(kid: string, exp: number): Promise<void>;
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
}

/**
 * Makes the key ring, with what is known from before. A key that was waiting for its turn when the issuer stopped waits
 * anew: nobody could fetch it meanwhile.
 */
export async function keyRing({ file, store, log, leadMs, now }: KeyRingOptions): Promise<KeyRing> {
  const before = (await store.publishedKeys()).filter(({ lastTokenExp }) => lastTokenExp > 0);
  const known = new Map(before.map((key) => [key.kid, key]));
  let keys: readonly SigningKey[] = [];
  let oldestFirst: readonly SigningKey[] = [];

  function publishedAtMs({ kid }: SigningKey): number {
    return known.get(kid)?.publishedAtMs ?? Number.POSITIVE_INFINITY;
  }

  /** The file is the truth: a key that left it is withdrawn, whatever it signed. */
  function take(): void {
    if (keys === file.current()) return;
    keys = file.current();
    const nowMs = now();
    for (const { kid } of keys) if (!known.has(kid)) known.set(kid, { kid, publishedAtMs: nowMs, lastTokenExp: 0 });
    const kids = new Set(keys.map(({ kid }) => kid));
    for (const { kid, lastTokenExp } of known.values()) {
      if (kids.has(kid)) continue;
      known.delete(kid);
      const lastTokenEnds = new Date(lastTokenExp * 1000);
      if (lastTokenExp > toSeconds(nowMs))
        log.warn({ kid, lastTokenEnds }, "a key was withdrawn while tokens that it signed are good");
    }
    // The sort is stable: keys of one moment stay in the order of the file.
    oldestFirst = keys.toSorted((a, b) => publishedAtMs(a) - publishedAtMs(b) || a.createdAtMs - b.createdAtMs);
  }

  const ring: KeyRing = {
    published() {
      take();
      return keys;
    },
    signing() {
      take();
      const readyMs = now() - leadMs;
      const key = oldestFirst.findLast((each) => publishedAtMs(each) <= readyMs) ?? oldestFirst[0];
      if (key === undefined) throw new Error("There is no key to sign with.");
      return key;
    },
    async signed(kid, exp) {
      const key: PublishedKey | undefined = known.get(kid);
      if (key === undefined || exp <= key.lastTokenExp) return;
      const lastTokenExp = Math.ceil(exp / LAST_TOKEN_STEP_SECONDS) * LAST_TOKEN_STEP_SECONDS;
      await store.signedUntil(kid, lastTokenExp);
      if (known.get(kid) === key) known.set(kid, { ...key, lastTokenExp });
    },
    async record() {
      take();
      await store.publishKeys([...known.values()]);
    },
  };
  await ring.record();
  return ring;
}
