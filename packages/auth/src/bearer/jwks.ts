import type { Agent } from "node:https";
import { createLocalJWKSet, errors, type JWK, type JWSHeaderParameters, type JWTVerifyGetKey } from "jose";
import { requestJson } from "./request.ts";

/** Where the keys of an authorization server come from, and how long they are trusted. */
export interface JwksOptions {
  /** The JWKS document (RFC 7517 §5): `https://…/.well-known/jwks.json`. */
  readonly url: URL;
  /** Whom it may come from: an agent that checks the server's identity. */
  readonly agent: Agent;
  /** How often it is read, in milliseconds: a withdrawn key is dead after that. @defaultValue 30 000 */
  readonly refreshMs?: number;
  /** How long known keys are served while it cannot be read, in milliseconds. @defaultValue 3 600 000 */
  readonly outageMs?: number;
  /** How long one reading may take; a call waits no longer than its verifier may. @defaultValue 2 000 */
  readonly timeoutMs?: number;
  /** Told of each failed reading, for the log. */
  readonly onError?: (error: Error) => void;
  /** Milliseconds since 1970. @defaultValue `Date.now` */
  readonly now?: () => number;
}

/** The signing keys of one authorization server. */
export interface KeySet {
  /** Finds the key of a token, as jose's `jwtVerify` asks for it; throws {@link KeysUnavailable} when it cannot tell. */
  readonly getKey: JWTVerifyGetKey;
  /** Whether there are keys to verify with. */
  isReady(): boolean;
  /** Stops the background refresh. */
  close(): void;
}

/** We cannot tell whether a token is good: no keys, or none that are recent enough to say that a key does not exist. */
export class KeysUnavailable extends Error {
  override readonly name = "KeysUnavailable";
}

/** A JWKS holds a few keys of some hundred bytes each. */
const maxJwksBytes = 64 * 1024;
/** The least time between two readings on account of unknown `kid`s, which anybody can make up. */
const unknownKeyCooldownMs = 5_000;
/** How often a service that has no keys yet asks for them: it serves nobody until then. */
const startMs = 1_000;

/**
 * Keeps the keys of an authorization server at hand: read in the background, one reading in flight, served through an
 * outage for a bounded time, and read again for an unknown `kid` no more than every 5 s.
 *
 * @param options - where from, and the times
 */
export function jwks(options: JwksOptions): KeySet {
  const { url, agent, refreshMs = 30_000, outageMs = 3_600_000, timeoutMs = 2_000, now = Date.now } = options;
  let local: { readonly find: ReturnType<typeof createLocalJWKSet>; readonly readAtMs: number } | undefined;
  let lastAttemptMs = Number.NEGATIVE_INFINITY;
  let inFlight: Promise<void> | undefined;

  async function read(): Promise<void> {
    lastAttemptMs = now();
    try {
      const { status, json } = await requestJson({ url, agent, timeoutMs, maxBytes: maxJwksBytes });
      if (status !== 200) throw new Error(`the key server answered status ${status}`);
      local = { find: createLocalJWKSet({ keys: usableKeys(json) }), readAtMs: now() };
    } catch (error) {
      options.onError?.(error instanceof Error ? error : new Error(String(error)));
    }
  }

  function refresh(): Promise<void> {
    inFlight ??= read().finally(() => {
      inFlight = undefined;
    });
    return inFlight;
  }

  function current(): typeof local {
    return local !== undefined && now() - local.readAtMs <= outageMs ? local : undefined;
  }

  const getKey: JWTVerifyGetKey = async (header, token) => {
    if (current() === undefined && canAsk()) await refresh();
    const keys = current();
    if (keys === undefined) throw new KeysUnavailable("the key server has not answered");
    try {
      return await keys.find(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      return findAfterRefresh(header, token, error);
    }
  };

  async function findAfterRefresh(header: JWSHeaderParameters, token: Parameters<JWTVerifyGetKey>[1], unknown: Error) {
    if (canAsk()) await refresh();
    const keys = current();
    // Only a recent document can say that there is no such key; an old one only does not know it yet.
    if (keys === undefined || now() - keys.readAtMs > 2 * refreshMs) {
      throw new KeysUnavailable("the key is not known, and the key server does not answer");
    }
    return keys.find(header, token).catch((error: unknown) => {
      throw error instanceof errors.JWKSNoMatchingKey ? unknown : error;
    });
  }

  function canAsk(): boolean {
    return inFlight !== undefined || now() - lastAttemptMs >= unknownKeyCooldownMs;
  }

  let timer: NodeJS.Timeout | undefined;
  let closed = false;
  async function refreshForEver(): Promise<void> {
    await refresh();
    if (closed) return;
    timer = setTimeout(
      () => void refreshForEver(),
      local === undefined ? Math.min(startMs, refreshMs) : refreshMs,
    ).unref();
  }
  void refreshForEver();
  return {
    getKey,
    isReady: () => current() !== undefined,
    close() {
      closed = true;
      clearTimeout(timer);
    },
  };
}

/** Drops what is not a public signing key with a `kid`, so that it can neither be picked nor break the others. */
function usableKeys(json: unknown): JWK[] {
  const keys = typeof json === "object" && json !== null && "keys" in json ? json.keys : undefined;
  if (!Array.isArray(keys)) throw new Error("the key server's answer is no JWKS");
  const usable = (keys as unknown[]).filter(
    (key): key is JWK =>
      typeof key === "object" &&
      key !== null &&
      "kid" in key &&
      typeof key.kid === "string" &&
      "kty" in key &&
      (key.kty === "EC" || key.kty === "RSA" || key.kty === "OKP") &&
      (!("use" in key) || key.use === "sig"),
  );
  if (usable.length === 0) throw new Error("the key server's answer holds no signing key");
  return usable;
}
