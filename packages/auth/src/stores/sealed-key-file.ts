import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { statSync } from "node:fs";
import { clientId } from "../client-id.ts";
import { type KeySource, type SigningKey, signingSecret } from "../hmac/keys.ts";
import { hmacGrammar } from "../hmac/string-to-sign.ts";
import { JsonShapeError, list, object, onlyKeys, text, texts, time } from "../json-shape.ts";
import { FileError, parseJson, type ReloadOptions, reloadingFile } from "./reloading-file.ts";

/** One key as it is sealed. The verifier needs the secret itself, so a hash would not do. */
export interface SigningKeyEntry {
  readonly id: string;
  readonly client: string;
  readonly audience: string;
  readonly scopes: readonly string[];
  readonly secret: string;
  /** ISO 8601, UTC, as are the others. */
  readonly createdAt?: string;
  readonly expiresAt?: string;
  readonly revokedAt?: string;
}

/** Where the sealed keys are, and what opens them. */
export interface SigningKeyFileOptions extends ReloadOptions {
  /** The sealed keys, mode 0600. */
  readonly path: string;
  /** The key-encryption key: 43 base64url characters, in another file, mode 0600. */
  readonly keyEncryptionKeyPath: string;
}

// Says what the bytes are for, so that nothing else sealed with the same key can be put in their place.
const purpose = Buffer.from("zero-trust signing keys v1");

/** Makes a key-encryption key, as it stands in its file. */
export function newKeyEncryptionKey(): string {
  return randomBytes(32).toString("base64url");
}

/**
 * Seals signing keys for a file (AES-256-GCM, NIST SP 800-38D).
 *
 * @param keyEncryptionKey - what {@link newKeyEncryptionKey} made
 * @returns the text of the file
 */
export function sealSigningKeys(entries: readonly SigningKeyEntry[], keyEncryptionKey: string): string {
  const iv = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", decodeKey(keyEncryptionKey), iv).setAAD(purpose);
  const body = Buffer.concat([cipher.update(JSON.stringify({ keys: entries })), cipher.final()]);
  return `${JSON.stringify({ sealed: Buffer.concat([iv, cipher.getAuthTag(), body]).toString("base64url") })}\n`;
}

/**
 * Reads sealed signing keys from a file and follows its changes.
 *
 * @param options - the two files
 * @throws FileError when a file is missing, readable for others, or does not open
 */
export function signingKeyFile(options: SigningKeyFileOptions): KeySource & { close(): void } {
  const { path, keyEncryptionKeyPath } = options;
  const parse = (sealed: Buffer, key: Buffer) => {
    refuseReadableByOthers(path);
    refuseReadableByOthers(keyEncryptionKeyPath);
    return parseKeys(open(sealed, readKey(keyEncryptionKeyPath, key)));
  };
  const file = reloadingFile([path, keyEncryptionKeyPath], parse, options);
  return { find: (id) => file.current().get(id), close: () => file.close() };
}

function readKey(path: string, bytes: Buffer): Buffer {
  try {
    return decodeKey(bytes.toString("ascii").trim());
  } catch (error) {
    throw new FileError(`its key-encryption key ${path} is no good: ${(error as Error).message}`);
  }
}

function decodeKey(key: string): Buffer {
  if (!/^[A-Za-z0-9_-]{43}$/.test(key)) throw new TypeError("a key-encryption key is 43 base64url characters");
  return Buffer.from(key, "base64url");
}

function refuseReadableByOthers(path: string): void {
  if ((statSync(path).mode & 0o077) !== 0) throw new FileError(`${path} is open to others: chmod 600 it`);
}

function open(bytes: Buffer, key: Buffer): unknown {
  const sealed = Buffer.from(text(object(parseJson(bytes), "it"), "sealed", "it", /^[A-Za-z0-9_-]{38,}$/), "base64url");
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, 12), { authTagLength: 16 });
  decipher.setAAD(purpose).setAuthTag(sealed.subarray(12, 28));
  try {
    return parseJson(Buffer.concat([decipher.update(sealed.subarray(28)), decipher.final()]));
  } catch {
    throw new FileError("it does not open with its key-encryption key");
  }
}

function parseKeys(json: unknown): ReadonlyMap<string, SigningKey> {
  const keys = new Map<string, SigningKey>();
  for (const [index, entry] of list(object(json, "the content"), "keys", "the content").entries()) {
    const where = `keys[${index}]`;
    const item = object(entry, where);
    onlyKeys(item, ["id", "client", "audience", "scopes", "secret", "createdAt", "expiresAt", "revokedAt"], where);
    const id = text(item, "id", where, hmacGrammar["x-api-key"]);
    if (keys.has(id)) throw new JsonShapeError(`${where} is a second entry for ${id}`);
    time(item, "createdAt", where);
    const expiresAtMs = time(item, "expiresAt", where);
    const revokedAtMs = time(item, "revokedAt", where);
    keys.set(id, {
      id,
      client: text(item, "client", where, clientId),
      audience: text(item, "audience", where),
      scopes: new Set(texts(item, "scopes", where)),
      secret: signingSecret(text(item, "secret", where)),
      ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
      ...(revokedAtMs === undefined ? {} : { revokedAtMs }),
    });
  }
  return keys;
}
