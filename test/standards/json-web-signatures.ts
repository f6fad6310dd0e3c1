import {
  headerOfSignature,
  nameOf,
  publishedKeys,
  type TokenAlgorithm,
  tokenIn,
  verifySignature,
} from "@zero-trust/auth/signatures";
import { z } from "zod";
import type { Outcome } from "./comparison.ts";
import { vectorFile } from "./vector-file.ts";

const jwk = z.record(z.string(), z.unknown());
const keySet = z.object({ keys: z.array(jwk) });
const tests = z.array(
  z.object({
    tcId: z.number(),
    comment: z.string(),
    jws: z.string(),
    result: z.enum(["valid", "invalid", "acceptable"]),
  }),
);
/** A symmetric key has no public part: then the private one is what a verifier is given. */
const group = z.object({
  public: z.union([keySet, jwk]).optional(),
  private: z.union([keySet, jwk]).optional(),
  tests,
});
const file = z.object({ testGroups: z.array(group) });

const allOfOurs: readonly TokenAlgorithm[] = ["ES256", "Ed25519", "PS256", "RS256"];

/**
 * Runs Wycheproof's JWS or JWK vectors: each key or key set goes through what reads an authorization server's, each token through
 * what finds and verifies a token's signature. Type and claims, which these tokens do not have, are not looked at.
 *
 * @returns undefined where there is no such file
 */
export async function jsonWebSignatures(path: string): Promise<readonly Outcome[] | undefined> {
  const groups = vectorFile(path, file)?.testGroups;
  if (groups === undefined) return undefined;
  const outcomes: Outcome[] = [];
  for (const { public: published = {}, private: secret, tests } of groups) {
    const found = Object.keys(published).length > 0 ? published : secret;
    const document = keySet.safeParse(found).success ? found : { keys: [found] };
    for (const { tcId, comment, jws, result } of tests) {
      outcomes.push({ id: String(tcId), comment, theirs: result, ours: await verdict(document, jws) });
    }
  }
  return outcomes;
}

async function verdict(document: unknown, jws: string): Promise<string> {
  const complaints: string[] = [];
  try {
    const token = tokenIn(`Bearer ${jws}`);
    const header = headerOfSignature(token, allOfOurs);
    const { keys } = await publishedKeys(document, undefined, ({ message }) => complaints.push(message));
    await verifySignature(token, header, { find: async (kid, alg) => keys.get(nameOf({ kid, alg })) });
    return "accepted";
  } catch (error) {
    return `refused: ${[error instanceof Error ? error.message : String(error), ...complaints].join("; ")}`;
  }
}
