import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { clientId } from "../client-id.ts";
import { type SigningKey, signingSecret } from "../hmac/keys.ts";
import { hmacGrammar, signingSecretPattern } from "../hmac/string-to-sign.ts";
import { JsonShapeError, list, object, onlyKeys, text, texts, time } from "../json-shape.ts";
import { exposed, Secret } from "../secret.ts";
import { FileError, parseJson } from "./reloading-file.ts";

/** One key as it is sealed. The verifier needs the secret itself, so a hash would not do. */
export interface SigningKeyEntry {
  readonly id: string;
  readonly client: string;
  readonly audience: string;
  readonly scopes: readonly string[];
  readonly secret: Secret;
  /** ISO 8601, UTC, as are the others. */
  readonly createdAt?: string;
  readonly expiresAt?: string;
  readonly revokedAt?: string;
}

// Says what the bytes are for, so that nothing else sealed with the same key can be put in their place.
const purpose = Buffer.from("zero-trust signing keys v1");

/** Makes a key-encryption key, as it stands in its file. */
export function newKeyEncryptionKey(): Secret {
  return new Secret(randomBytes(32).toString("base64url"));
}

/**
 * Seals signing keys for a file (AES-256-GCM, NIST SP 800-38D). What could not be opened again is not sealed.
 *
 * @param keyEncryptionKey - what {@link newKeyEncryptionKey} made
 * @returns the text of the file
 * @throws TypeError when the key-encryption key is none; JsonShapeError naming the entry that is wrong
 *
 * @example
 * ```ts
 * import { newKeyEncryptionKey, openSigningKeys, sealSigningKeys } from "@zero-trust/auth/issue";
 *
 * // Another key-encryption key for the same signing keys:
 * declare const file: string, oldKey: string;
 * const newKey = newKeyEncryptionKey();
 * const resealed = sealSigningKeys(openSigningKeys(file, oldKey), newKey);
 * ```
 */
export function sealSigningKeys(entries: readonly SigningKeyEntry[], keyEncryptionKey: string | Secret): string {
  const keys = entries.map((entry) => ({ ...entry, secret: entry.secret.expose() }));
  parseEntries({ keys });
  const iv = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", decodeKey(keyEncryptionKey), iv).setAAD(purpose);
  const body = Buffer.concat([cipher.update(JSON.stringify({ keys })), cipher.final()]);
  return `${JSON.stringify({ sealed: Buffer.concat([iv, cipher.getAuthTag(), body]).toString("base64url") })}\n`;
}

/**
 * Opens what {@link sealSigningKeys} sealed, to add, rotate or revoke a key and seal it again.
 *
 * @param file - the text of the file
 * @param keyEncryptionKey - what it was sealed with
 * @throws TypeError when the key-encryption key is none; JsonShapeError when the text is no such file; FileError when it
 * does not open with this key
 */
export function openSigningKeys(file: string, keyEncryptionKey: string | Secret): readonly SigningKeyEntry[] {
  const key = decodeKey(keyEncryptionKey);
  const shape = object(parseJson(Buffer.from(file)), "it");
  onlyKeys(shape, ["sealed"], "it");
  const sealed = Buffer.from(text(shape, "sealed", "it", /^[A-Za-z0-9_-]{38,}$/), "base64url");
  return parseEntries(parseJson(decrypt(sealed, key)));
}

/** What the verifier needs of the entries. */
export function signingKeysOf(entries: readonly SigningKeyEntry[]): ReadonlyMap<string, SigningKey> {
  const atMs = (time: string | undefined) => (time === undefined ? undefined : Date.parse(time));
  return new Map(
    entries.map(({ id, client, audience, scopes, secret, expiresAt, revokedAt }) => {
      const [expiresAtMs, revokedAtMs] = [atMs(expiresAt), atMs(revokedAt)];
      const times = {
        ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
        ...(revokedAtMs === undefined ? {} : { revokedAtMs }),
      };
      return [id, { id, client, audience, scopes: new Set(scopes), secret: signingSecret(secret), ...times }];
    }),
  );
}

function decrypt(sealed: Buffer, key: Buffer): Buffer {
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, 12), { authTagLength: 16 });
  decipher.setAAD(purpose).setAuthTag(sealed.subarray(12, 28));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(28)), decipher.final()]);
  } catch {
    throw new FileError("it does not open with its key-encryption key");
  }
}

function decodeKey(keyEncryptionKey: string | Secret): Buffer {
  const key = exposed(keyEncryptionKey);
  if (!/^[A-Za-z0-9_-]{43}$/.test(key)) throw new TypeError("a key-encryption key is 43 base64url characters");
  return Buffer.from(key, "base64url");
}

const times = ["createdAt", "expiresAt", "revokedAt"] as const;

function parseEntries(json: unknown): readonly SigningKeyEntry[] {
  const content = object(json, "the content");
  onlyKeys(content, ["keys"], "the content");
  const ids = new Set<string>();
  return list(content, "keys", "the content").map((entry, index) => {
    const where = `keys[${index}]`;
    const item = object(entry, where);
    onlyKeys(item, ["id", "client", "audience", "scopes", "secret", ...times], where);
    const id = text(item, "id", where, hmacGrammar["x-api-key"]);
    if (ids.has(id)) throw new JsonShapeError(`${where} is a second entry for ${id}`);
    ids.add(id);
    const written = times.filter((key) => time(item, key, where) !== undefined);
    return {
      id,
      client: text(item, "client", where, clientId),
      audience: text(item, "audience", where),
      scopes: texts(item, "scopes", where),
      secret: new Secret(text(item, "secret", where, signingSecretPattern)),
      ...Object.fromEntries(written.map((key) => [key, text(item, key, where)])),
    };
  });
}
