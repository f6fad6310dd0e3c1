import { type KeySet, KeysUnavailable } from "./key-set.ts";
import { type PollOptions, polledDocument } from "./polled-document.ts";
import { nameOf, type PublishedKeys, publishedKeys } from "./published-keys.ts";

/** Where the keys of an authorization server come from, `https://…/.well-known/jwks.json` (RFC 7517 §5); and for how long. */
export interface JwksOptions extends PollOptions {
  /** How often they are read, in milliseconds: a withdrawn key is dead after that. @defaultValue 30 000 */
  readonly refreshMs?: number;
  /** Told of each failed reading, and once of each key that is ignored, for the log. */
  readonly onError?: (error: Error) => void;
}

/** A JWKS holds a few keys of some hundred bytes each. */
const maxJwksBytes = 64 * 1024;

/**
 * Keeps the keys of an authorization server at hand: read in the background, one reading in flight, served through an
 * outage for a bounded time, and read again for an unknown `kid` no more than every 5 s. Keys that are weak or not for
 * signatures are ignored.
 *
 * @param options - where from, and the times
 * @throws TypeError when an option makes no sense
 * @example
 * ```ts
 * import { jwks } from "@zero-trust/auth/server";
 * import { httpsAgent, identityFromDirectory } from "@zero-trust/mtls";
 *
 * const agent = httpsAgent({ identity: identityFromDirectory("tls"), serverId: "spiffe://production.internal/issuer" });
 * const keys = jwks({ url: new URL("https://issuer.production.internal/.well-known/jwks.json"), agent });
 * ```
 */
export function jwks(options: JwksOptions): KeySet {
  const { refreshMs = 30_000 } = options;
  const document = polledDocument<PublishedKeys>(options, {
    name: "the key set",
    refreshMs,
    maxBytes: maxJwksBytes,
    parse: publishedKeys,
  });
  return {
    async find(kid, alg) {
      const name = nameOf({ kid, alg });
      const known = document.current()?.keys.get(name);
      if (known !== undefined) return known;
      await document.ask();
      const published = document.current();
      if (published === undefined) throw new KeysUnavailable("the key server has not answered");
      const key = published.keys.get(name);
      // Only a recent document can say that there is no such key; an old one only does not know it yet.
      if (key === undefined && !document.isRecent()) {
        throw new KeysUnavailable("the key is not known, and the key server does not answer");
      }
      return key;
    },
    holds(key) {
      const published = document.current();
      if (published === undefined) throw new KeysUnavailable("the key server has not answered for long");
      return published.keys.get(nameOf(key)) === key;
    },
    isReady: () => document.current() !== undefined,
    checkedAtMs: document.checkedAtMs,
    close: () => document.close(),
  };
}
