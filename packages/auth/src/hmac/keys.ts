import { createSecretKey, type KeyObject, randomBytes, randomInt } from "node:crypto";
import { signingSecretPattern } from "./string-to-sign.ts";

/** A key that signatures are verified with. */
export interface SigningKey {
  /** `hk-…` */
  readonly id: string;
  readonly client: string;
  /** The service that the key is good for. */
  readonly audience: string;
  readonly scopes: ReadonlySet<string>;
  /** The secret; a KeyObject, because its bytes do not print. */
  readonly secret: KeyObject;
  /** Milliseconds since 1970. */
  readonly expiresAtMs?: number;
  readonly revokedAtMs?: number;
}

/** Where `hmac()` looks keys up: a file, or a key management service. Throwing means that it could not look. */
export interface KeySource {
  find(id: string): SigningKey | undefined | Promise<SigningKey | undefined>;
}

/**
 * Turns a signing secret into a key. The ASCII bytes of the secret as it was issued are the key.
 *
 * @param secret - `hs-` and 43 base64url characters
 * @throws TypeError when it is not of that form; the text is not repeated
 */
export function signingSecret(secret: string): KeyObject {
  if (!signingSecretPattern.test(secret)) {
    throw new TypeError("A signing secret is hs- followed by 43 base64url characters; this is not one.");
  }
  return createSecretKey(secret, "ascii");
}

/** Makes the id and secret of a new signing key. */
export function newSigningKey(): { readonly id: string; readonly secret: string } {
  const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789";
  const id = `hk-${Array.from({ length: 16 }, () => alphabet[randomInt(alphabet.length)]).join("")}`;
  return { id, secret: `hs-${randomBytes(32).toString("base64url")}` };
}
