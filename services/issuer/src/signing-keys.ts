import { createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { ConfigError } from "@zero-trust/server";
import { z } from "zod";
import { readJsonFile } from "./json-file.ts";

const coordinate = z.string("must be 43 base64url characters").regex(/^[\w-]{43}$/u, "must be 43 base64url characters");

const signingKey = z
  .strictObject({
    kid: z.string("must be a text").regex(/^[\w.-]{1,128}$/u, "must be 1 to 128 of letters, digits, - _ and ."),
    kty: z.literal("EC", "must be EC"),
    crv: z.literal("P-256", "must be P-256"),
    alg: z.literal("ES256", "must be ES256").default("ES256"),
    use: z.literal("sig", "must be sig").default("sig"),
    x: coordinate,
    y: coordinate,
    d: coordinate,
  })
  .refine(isKeyPair, "is not a key pair: x and y do not belong to d");

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
}

const schema = z
  .strictObject({ keys: z.array(signingKey, "must be a list") })
  .refine(({ keys }) => new Set(keys.map(({ kid }) => kid)).size === keys.length, "has two keys of one kid");

/** The key that signs, and those that are published; a key is published before it signs, and after. */
export interface SigningKeys {
  readonly current: SigningKey;
  readonly all: readonly SigningKey[];
}

/** Reads a private JWK Set (RFC 7517), whose first key signs; throws ConfigError for a file that is missing or wrong. */
export function readSigningKeys(path: string): SigningKeys {
  const { keys } = readJsonFile({ path, what: "signing keys file", variable: "ZT_SIGNING_JWKS_FILE" }, schema);
  const [current] = keys;
  if (current === undefined) {
    throw new ConfigError(
      `The signing keys file ${path} has no key; add one or name another with ZT_SIGNING_JWKS_FILE.`,
    );
  }
  return { current, all: keys };
}

/** The public JWK Set, made of the members that are public, so that a new private one does not slip in. */
export function publicJwks({ all }: SigningKeys): { readonly keys: readonly Readonly<Record<string, string>>[] } {
  return { keys: all.map(({ kid, kty, crv, alg, use, x, y }) => ({ kid, kty, crv, alg, use, x, y })) };
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
