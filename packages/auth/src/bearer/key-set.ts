import type { CryptoKey, KeyObject } from "jose";

/** The signature algorithms that a token may have (RFC 8725 §3.1); never `none`, never a symmetric one. */
export type TokenAlgorithm = "ES256" | "Ed25519" | "PS256" | "RS256";

/** A public key of an authorization server, good for one algorithm alone (RFC 8725 §3.1). */
export interface VerificationKey {
  readonly kid: string;
  readonly alg: TokenAlgorithm;
  readonly key: CryptoKey | KeyObject;
}

/** The signing keys of one authorization server. */
export interface KeySet {
  /**
   * Finds a key; undefined when there is no such key.
   *
   * @throws KeysUnavailable when nobody can tell
   */
  find(kid: string, alg: TokenAlgorithm): Promise<VerificationKey | undefined>;
  /**
   * Whether a key that was found is still published. It is asked for every call, so it looks nothing up elsewhere.
   *
   * @throws KeysUnavailable when nobody can tell
   */
  holds(key: VerificationKey): boolean;
  /** Whether there are keys to verify with. */
  isReady(): boolean;
  /** When the keys were last read, in milliseconds since 1970, where that is known; undefined before. */
  readonly checkedAtMs?: () => number | undefined;
  /** Stops the background refresh. */
  close(): void;
}

/** We cannot tell whether a key is good: no keys, or none that are recent enough to say that a key does not exist. */
export class KeysUnavailable extends Error {
  override readonly name = "KeysUnavailable";
}
