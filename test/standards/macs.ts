import { createSecretKey } from "node:crypto";
import { faultOfSigningKey, hmacGrammar, isMacOf } from "@zero-trust/auth/signatures";
import { z } from "zod";
import type { Outcome } from "./comparison.ts";
import { vectorFile } from "./vector-file.ts";

const hex = z.string().regex(/^([0-9a-f]{2})*$/);
const file = z.object({
  testGroups: z.array(
    z.object({
      tests: z.array(
        z.object({
          tcId: z.number(),
          comment: z.string(),
          key: hex,
          msg: hex,
          tag: hex,
          result: z.enum(["valid", "invalid", "acceptable"]),
        }),
      ),
    }),
  ),
});

/**
 * Runs Wycheproof's HMAC vectors: key, signature and bytes go through what a signed request's do. That a request's bytes begin
 * with its method and path has nothing to do with it.
 *
 * @returns undefined where there is no such file
 */
export function macs(path: string): readonly Outcome[] | undefined {
  return vectorFile(path, file)?.testGroups.flatMap(({ tests }) =>
    tests.map(({ tcId, comment, key, msg, tag, result }) => ({
      id: String(tcId),
      comment,
      theirs: result,
      ours: verdict(Buffer.from(key, "hex"), Buffer.from(msg, "hex"), tag),
    })),
  );
}

function verdict(bytes: Buffer, message: Buffer, signature: string): string {
  if (!hmacGrammar["x-signature"].test(signature)) return "refused: x-signature is malformed";
  const secret = createSecretKey(bytes);
  const fault = faultOfSigningKey({
    id: "hk-vectors",
    client: "vectors",
    audience: "vectors",
    scopes: new Set(),
    secret,
  });
  if (fault !== undefined) return `refused: ${fault}`;
  return isMacOf(secret, [message], signature) ? "accepted" : "refused: the signature is wrong";
}
