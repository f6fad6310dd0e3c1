import type { JSONWebKeySet } from "jose";
import type { KeySet } from "../src/bearer/key-set.ts";
import { nameOf, publishedKeys } from "../src/bearer/published-keys.ts";

/** A key set that nobody has to serve, of which keys can be withdrawn. */
export interface KnownKeys extends KeySet {
  withdraw(): void;
}

/** The keys of a JWKS, taken as `jwks()` takes them. */
export async function knownKeys(jwks: JSONWebKeySet): Promise<KnownKeys> {
  let { keys } = await publishedKeys(jwks, undefined);
  return {
    find: async (kid, alg) => keys.get(nameOf({ kid, alg })),
    holds: (key) => keys.get(nameOf(key)) === key,
    isReady: () => true,
    close: () => undefined,
    withdraw() {
      keys = new Map();
    },
  };
}
