import { hash } from "node:crypto";
import { BoundedMap } from "../bounded-map.ts";
import type { VerificationKey } from "./key-set.ts";
import type { TokenClaims } from "./token-claims.ts";

/** A token whose signature is good: by which key, over which claims. That a call was let in is not remembered. */
export interface VerifiedToken {
  readonly key: VerificationKey;
  readonly claims: TokenClaims;
}

/** Tokens whose signature was good, the ones least recently shown forgotten first. */
export class SignatureCache {
  readonly #tokens: BoundedMap<VerifiedToken>;

  constructor(maxTokens: number) {
    this.#tokens = new BoundedMap(maxTokens);
  }

  get size(): number {
    return this.#tokens.size;
  }

  find(digest: string): VerifiedToken | undefined {
    const found = this.#tokens.get(digest);
    if (found !== undefined) this.#tokens.set(digest, found);
    return found;
  }

  /** Only for a good signature: whoever has none can then push nobody out. */
  add(digest: string, token: VerifiedToken): void {
    this.#tokens.set(digest, token);
  }
}

/** What a token is remembered by: memory holds no token that could be shown again. */
export function digestOf(token: string): string {
  return hash("sha256", token, "base64url");
}
