/** Stores of your own: API keys in a database, and nonces that all processes of a service remember together. */
import type { ApiKeySource, NonceStore } from "@zero-trust/auth/server";

/** A key as a database keeps it. */
export interface KeyRow {
  readonly id: string;
  readonly client: string;
  readonly audience: string;
  readonly scopes: readonly string[];
  /** SHA-256 of the whole key, hexadecimal; two during a rotation. */
  readonly digests: readonly string[];
  readonly revokedAt: Date | null;
}

/** It is asked for each call, and again every second for each that runs; what it throws makes the call UNAVAILABLE. */
export function apiKeysIn(database: { keyById(id: string): Promise<KeyRow | undefined> }): ApiKeySource {
  return {
    async find(id) {
      const row = await database.keyById(id);
      if (row === undefined) return undefined;
      const { scopes, digests, revokedAt, ...rest } = row;
      const secrets = digests.map((sha256) => ({ sha256 }));
      const revoked = revokedAt === null ? {} : { revokedAtMs: revokedAt.getTime() };
      return { ...rest, ...revoked, scopes: new Set(scopes), secrets };
    },
  };
}

/** In one step, as `SET key 1 NX EX seconds` of Redis is: whether the key was not there yet. */
export interface SharedMemory {
  setOnce(key: string, seconds: number): Promise<boolean>;
}

export function sharedNonces(memory: SharedMemory): NonceStore {
  const window = { pastSeconds: 300, futureSeconds: 5 };
  // A minute more than the window, for processes whose clocks are behind.
  const seconds = window.pastSeconds + window.futureSeconds + 60;
  return {
    window,
    claim: async ({ hash }) => ((await memory.setOnce(`nonce:${hash}`, seconds)) ? "new" : "replayed"),
  };
}
