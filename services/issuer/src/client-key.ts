import { createPublicKey, type JsonWebKey } from "node:crypto";
import { z } from "zod";

/** The algorithms that client assertions may be signed with (RFC 7518, section 3.4; RFC 9864, section 2.2). */
export const ASSERTION_ALGORITHMS = ["ES256", "Ed25519"] as const;

/** A public key of a client (RFC 7517), which names its algorithm. */
export type ClientJwk =
  | { readonly kid: string; readonly kty: "EC"; readonly crv: "P-256"; readonly alg: "ES256"; x: string; y: string }
  | { readonly kid: string; readonly kty: "OKP"; readonly crv: "Ed25519"; readonly alg: "Ed25519"; x: string };

/** 32 bytes in base64url, which is what a coordinate of either curve has. */
export const coordinate: z.ZodType<string> = z
  .string("must be 43 base64url characters")
  .regex(/^[\w-]{43}$/u, "must be 43 base64url characters");

/** The name of a key in a file. */
export const keyId: z.ZodType<string> = z
  .string("must be a text")
  .regex(/^[\w.-]{1,128}$/u, "must be 1 to 128 of letters, digits, - _ and .");

const use = z.literal("sig", "must be sig").optional();

/** A client's public key in the clients file; what is private has no place in it. */
export const clientJwk: z.ZodType<ClientJwk> = z
  .discriminatedUnion(
    "alg",
    [
      z.strictObject({
        kid: keyId,
        kty: z.literal("EC", "must be EC"),
        crv: z.literal("P-256", "must be P-256"),
        alg: z.literal("ES256"),
        use,
        x: coordinate,
        y: coordinate,
      }),
      z.strictObject({
        kid: keyId,
        kty: z.literal("OKP", "must be OKP"),
        crv: z.literal("Ed25519", "must be Ed25519"),
        alg: z.literal("Ed25519"),
        use,
        x: coordinate,
      }),
    ],
    "must be ES256 or Ed25519",
  )
  .refine(isPublicKey, "is not a key: its coordinates are not on the curve")
  .transform(({ use: _, ...jwk }) => jwk);

function isPublicKey(jwk: object): boolean {
  try {
    createPublicKey({ key: jwk as JsonWebKey, format: "jwk" });
    return true;
  } catch {
    return false;
  }
}
