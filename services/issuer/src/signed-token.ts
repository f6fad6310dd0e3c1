import { createPublicKey, verify } from "node:crypto";
import { z } from "zod";
import type { SigningKey } from "./signing-keys.ts";

/** What a revocation needs to know of a token. */
export interface SignedToken {
  readonly jti: string;
  readonly client: string;
  /** Unix seconds. */
  readonly exp: number;
}

const header = z.object({ alg: z.literal("ES256"), typ: z.literal("at+jwt"), kid: z.string() });

const claims = z
  .object({ jti: z.string(), client_id: z.string(), exp: z.int() })
  .transform(({ jti, client_id, exp }): SignedToken => ({ jti, client: client_id, exp }));

/** Reads an access token (RFC 9068) that one of these keys signed; undefined for whatever else it may be. */
export function readSignedToken(token: string, keys: readonly SigningKey[]): SignedToken | undefined {
  try {
    const [head = "", body = "", signature = "", ...more] = token.split(".");
    if (more.length > 0) return undefined;
    const { kid } = header.parse(parsed(head));
    const key = keys.find((each) => each.kid === kid);
    if (key === undefined) return undefined;
    const { kty, crv, x, y } = key;
    const good = verify(
      "sha256",
      Buffer.from(`${head}.${body}`),
      { key: createPublicKey({ key: { kty, crv, x, y }, format: "jwk" }), dsaEncoding: "ieee-p1363" },
      Buffer.from(signature, "base64url"),
    );
    return good ? claims.parse(parsed(body)) : undefined;
  } catch {
    return undefined;
  }
}

function parsed(part: string): unknown {
  return JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
}
