import { createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { ConfigError } from "@zero-trust/server";
import { z } from "zod";
import { coordinate, keyId } from "./client-key.ts";
import { type JsonFile, parseJsonFile } from "./json-file.ts";
import { type OnFileError, type ReloadedFile, reloadedFile } from "./reloaded-file.ts";
import { utcTime } from "./utc-time.ts";

/** Verifiers read 64 KiB of published keys and no more, and a key has 300 bytes. */
const MAX_KEYS = 100;

const signingKey = z
  .strictObject({
    kid: keyId,
    kty: z.literal("EC", "must be EC"),
    crv: z.literal("P-256", "must be P-256"),
    alg: z.literal("ES256", "must be ES256").default("ES256"),
    use: z.literal("sig", "must be sig").default("sig"),
    x: coordinate,
    y: coordinate,
    d: coordinate,
    createdAt: utcTime.default(0),
  })
  .refine(isKeyPair, "is not a key pair: x and y do not belong to d")
  .transform(({ createdAt, ...jwk }): SigningKey => ({ ...jwk, createdAtMs: createdAt }));

/** A private key for ES256 (RFC 7518, section 6.2.2). */
export interface SigningKey {
  readonly kid: string;
  readonly kty: "EC";
  readonly crv: "P-256";
  readonly alg: "ES256";
  readonly use: "sig";
  readonly x: string;
  readonly y: string;
  readonly d: string;
  /** Milliseconds since 1970; 0 when the file does not say. */
  readonly createdAtMs: number;
}

const schema = z
  .strictObject({ keys: z.array(signingKey, "must be a list").max(MAX_KEYS, `must have ${MAX_KEYS} at most`) })
  .refine(({ keys }) => new Set(keys.map(({ kid }) => kid)).size === keys.length, "has two keys of one kid");

/**
 * Reads a private JWK Set (RFC 7517), which only its owner may read, and follows its changes. What is in it is published;
 * what is not is withdrawn.
 *
 * @throws ConfigError for a file that is missing, wrong or open to others; later it goes to `onError`
 */
export function signingKeysFile(
  path: string,
  options: { readonly onError: OnFileError },
): ReloadedFile<readonly SigningKey[]> {
  const file: JsonFile = { path, what: "signing keys file", variable: "ZT_SIGNING_JWKS_FILE", isSecret: true };
  return reloadedFile(file, (bytes) => parseSigningKeys(file, bytes), options.onError);
}

function parseSigningKeys(file: JsonFile, bytes: Buffer): readonly SigningKey[] {
  const { path, variable } = file;
  const { keys } = parseJsonFile(file, bytes, schema);
  if (keys.length === 0)
    throw new ConfigError(`The signing keys file ${path} has no key; add one or name another with ${variable}.`);
  return keys;
}

/** The public JWK Set, made of the members that are public, so that a new private one does not slip in. */
export function publicJwks(keys: readonly SigningKey[]): {
  readonly keys: readonly Readonly<Record<string, string>>[];
} {
  return { keys: keys.map(({ kid, kty, crv, alg, use, x, y }) => ({ kid, kty, crv, alg, use, x, y })) };
}

function isKeyPair({ kty, crv, x, y, d }: { kty: string; crv: string; x: string; y: string; d: string }): boolean {
  const data = Buffer.from("probe");
  try {
    const signature = sign("sha256", data, createPrivateKey({ key: { kty, crv, x, y, d }, format: "jwk" }));
    return verify("sha256", data, createPublicKey({ key: { kty, crv, x, y }, format: "jwk" }), signature);
  } catch {
    return false;
  }
}
