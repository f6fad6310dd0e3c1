import { compactVerify } from "jose";
import type { KeySet, VerificationKey } from "./key-set.ts";
import { type TokenHeader, TokenProblem } from "./token-format.ts";

/** What a signature says: which key made it, over which bytes. */
export interface SignedPayload {
  readonly key: VerificationKey;
  readonly payload: Uint8Array;
}

/**
 * Verifies a token's signature with the key that its header names.
 *
 * @throws TokenProblem when there is no such key
 * @throws JOSEError when the signature is wrong
 * @throws KeysUnavailable when nobody can tell
 */
export async function verifySignature(
  token: string,
  { alg, kid }: TokenHeader,
  keys: Pick<KeySet, "find">,
): Promise<SignedPayload> {
  const key = await keys.find(kid, alg);
  if (key === undefined) throw new TokenProblem("the token's key is unknown");
  if (key.kid !== kid || key.alg !== alg) throw new Error("the key set answered with another key");
  const { payload } = await compactVerify(token, key.key, { algorithms: [alg] });
  return { key, payload };
}
