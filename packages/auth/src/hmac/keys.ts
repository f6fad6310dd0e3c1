import { createSecretKey, KeyObject, randomBytes, randomInt } from "node:crypto";
import type { KeyRecord } from "../key-record.ts";
import { exposed, Secret } from "../secret.ts";
import { signingSecretPattern } from "./string-to-sign.ts";

/** A key that signatures are verified with. */
export interface SigningKey extends KeyRecord {
  /** The secret; a KeyObject, because its bytes do not print. */
  readonly secret: KeyObject;
}

/**
 * Where `hmac()` looks keys up: a file, or a key management service. It is asked for each call whose timestamp is in the
 * window, and again every second for a call that runs: one that asks over a network remembers what it got for some
 * seconds, no longer than a revocation may take, and answers within the 500 ms that a verifier has.
 *
 * @example
 * ```ts
 * import { type KeySource, type SigningKey, signingSecret } from "@zero-trust/auth/server";
 *
 * declare const kms: { read(name: string): Promise<{ secret: string; client: string; scopes: string[] } | undefined> };
 *
 * const known = new Map<string, { readonly key: SigningKey; readonly untilMs: number }>();
 * const keys: KeySource = {
 *   async find(id) {
 *     const cached = known.get(id);
 *     if (cached !== undefined && Date.now() < cached.untilMs) return cached.key;
 *     const entry = await kms.read(`signing-keys/${id}`); // what it throws makes the call UNAVAILABLE
 *     if (entry === undefined) {
 *       known.delete(id); // and nothing is kept of ids that do not exist: callers choose them
 *       return undefined;
 *     }
 *     const { client, scopes, secret } = entry;
 *     const audience = "https://payment.production.internal";
 *     const key = { id, client, audience, scopes: new Set(scopes), secret: signingSecret(secret) };
 *     known.set(id, { key, untilMs: Date.now() + 10_000 });
 *     return key;
 *   },
 * };
 * ```
 */
export interface KeySource {
  /** The key; undefined where there is none. Throwing or rejecting means that it could not look. */
  find(id: string): SigningKey | undefined | Promise<SigningKey | undefined>;
}

/** A secret that is shorter than what SHA-256 gives is weaker than the signature looks (RFC 2104 section 3). */
const MIN_SECRET_BYTES = 32;

/** What is wrong with the part of a record that other keys do not have. */
export function faultOfSigningKey({ secret }: SigningKey): string | undefined {
  const isSecret = secret instanceof KeyObject && secret.type === "secret";
  return isSecret && (secret.symmetricKeySize ?? 0) >= MIN_SECRET_BYTES
    ? undefined
    : "a secret that is too short, or none";
}

/**
 * Turns a signing secret into a key. The ASCII bytes of the secret as it was issued are the key.
 *
 * @param secret - `hs-` and 43 base64url characters
 * @throws TypeError when it is not of that form; the text is not repeated
 */
export function signingSecret(secret: string | Secret): KeyObject {
  const text = exposed(secret);
  if (!signingSecretPattern.test(text)) {
    throw new TypeError("A signing secret is hs- followed by 43 base64url characters; this is not one.");
  }
  return createSecretKey(text, "ascii");
}

/** Makes the id and secret of a new signing key. */
export function newSigningKey(): { readonly id: string; readonly secret: Secret } {
  const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789";
  const id = `hk-${Array.from({ length: 16 }, () => alphabet[randomInt(alphabet.length)]).join("")}`;
  return { id, secret: new Secret(`hs-${randomBytes(32).toString("base64url")}`) };
}
