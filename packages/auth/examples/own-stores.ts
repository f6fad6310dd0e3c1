/** A store of your own: API keys in a database. */
import type { ApiKeySource } from "@zero-trust/auth/server";

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
