/**
 * Keys and signatures without claims, clocks and calls, as other people's test vectors want them (`pnpm test:standards`). For tests of
 * this repository: published packages do not have it.
 */
export type { TokenAlgorithm } from "./bearer/key-set.ts";
export { nameOf, publishedKeys } from "./bearer/published-keys.ts";
export { headerOfSignature, TokenProblem, tokenIn } from "./bearer/token-format.ts";
export { verifySignature } from "./bearer/token-signature.ts";
export { faultOfSigningKey } from "./hmac/keys.ts";
export { isMacOf } from "./hmac/mac.ts";
export { hmacGrammar } from "./hmac/string-to-sign.ts";
