import { createHash, randomBytes, randomInt } from "node:crypto";
import { crc32 } from "node:zlib";
import { Secret } from "../secret.ts";

/**
 * What an API key looks like, for secret scanners and for grammars in other languages: `sk-live-` or `sk-test-`, the
 * public id, `-`, 43 base64url characters of secret (256 bits), and 8 hexadecimal digits of CRC-32 over all before them.
 */
export const apiKeyPattern: RegExp = /^sk-(live|test)-([a-z0-9]{12})-([A-Za-z0-9_-]{43})([0-9a-f]{8})$/;

/** Which of the two worlds a key belongs to; a key of one is never good in the other. */
export type ApiKeyMode = "live" | "test";

/** A key that is well-formed, which says nothing about whether it is good. */
export interface ParsedApiKey {
  readonly mode: ApiKeyMode;
  readonly id: string;
}

/** Reads a key, by its checksum too, so that a typo costs no look-up; undefined where it is no key. */
export function parseApiKey(key: string): ParsedApiKey | undefined {
  const [, mode, id, , sum] = apiKeyPattern.exec(key) ?? [];
  if ((mode !== "live" && mode !== "test") || id === undefined) return undefined;
  return checksum(key.slice(0, -8)) === sum ? { mode, id } : undefined;
}

/**
 * Makes a new API key.
 *
 * @param mode - `live`, or `test` for keys that a live service refuses
 * @param id - of the key that gets a second secret in a rotation; a new one unless given
 * @throws TypeError when the id is none
 * @returns the key, to be shown once, and what goes into the key file: the id and the SHA-256 of the key
 * @example
 * ```ts
 * import { newApiKey } from "@zero-trust/auth/issue";
 *
 * const { key, id, sha256 } = newApiKey("live");
 * const entry = {
 *   id,
 *   client: "reporting",
 *   audience: "https://payment.production.internal",
 *   scopes: ["read:transactions"],
 *   secrets: [{ sha256 }],
 * };
 * process.stdout.write(key.expose()); // once
 * ```
 */
export function newApiKey(
  mode: ApiKeyMode,
  id: string = newId(),
): { readonly key: Secret; readonly id: string; readonly sha256: string } {
  const body = `sk-${mode}-${id}-${randomBytes(32).toString("base64url")}`;
  const key = body + checksum(body);
  if (!apiKeyPattern.test(key)) throw new TypeError("An API key is `live` or `test`, and its id is 12 of a-z0-9.");
  return { key: new Secret(key), id, sha256: hashApiKey(key).toString("hex") };
}

/** SHA-256 of the whole key. A key holds 256 random bits, so a slow hash would only slow us down. */
export function hashApiKey(key: string): Buffer {
  return createHash("sha256").update(key, "ascii").digest();
}

function newId(): string {
  const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789";
  return Array.from({ length: 12 }, () => alphabet[randomInt(alphabet.length)]).join("");
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, "0");
}
