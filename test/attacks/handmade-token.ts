import { createPrivateKey, type KeyObject, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { JWK } from "jose";
import type { Stack } from "../stack/stack.ts";

/** A JWS in compact form (RFC 7515 §7.1), of whatever parts: no library would make some of these. */
export interface HandmadeToken {
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
  /** Makes the signature of what is signed. */
  readonly signature: (input: string) => Uint8Array;
}

export function handmadeToken({ header, claims, signature }: HandmadeToken): string {
  const input = `${base64url(JSON.stringify(header))}.${base64url(JSON.stringify(claims))}`;
  return `${input}.${base64url(signature(input))}`;
}

export function base64url(bytes: string | Uint8Array): string {
  return Buffer.from(bytes as string).toString("base64url");
}

/** ES256 (RFC 7518 §3.4). */
export function es256(key: KeyObject): (input: string) => Uint8Array {
  return (input) => sign("sha256", Buffer.from(input), { key, dsaEncoding: "ieee-p1363" });
}

/** What the issuer of a deployment signs with. */
export function issuerKeyOf({ deployment }: Stack): { readonly key: KeyObject; readonly jwk: JWK } {
  const file = readFileSync(join(deployment.folder, "issuer/signing-jwks.json"), "utf8");
  const [jwk = {}] = (JSON.parse(file) as { readonly keys: readonly JWK[] }).keys;
  return { jwk, key: createPrivateKey({ key: jwk, format: "jwk" }) };
}
