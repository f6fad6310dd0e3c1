export type { ApiKeyMode } from "./api-key/format.ts";
export type { ApiKeyRecord, ApiKeySource } from "./api-key/records.ts";
export { type ApiKeyOptions, apiKey } from "./api-key/server.ts";
export { type JwksOptions, jwks, type KeySet } from "./bearer/jwks.ts";
export { type BearerOptions, bearer, type TokenAlgorithm } from "./bearer/server.ts";
export type { Grant } from "./decision.ts";
export type { DecisionEvent } from "./decision-event.ts";
export { type GrantSource, type Grants, parseGrants } from "./grants.ts";
export { type KeySource, type SigningKey, signingSecret } from "./hmac/keys.ts";
export {
  type MemoryNonceOptions,
  type MemoryNonceStore,
  memoryNonceStore,
  type NonceStore,
  type NonceUse,
  type NonceVerdict,
} from "./hmac/nonces.ts";
export { type HmacOptions, hmac } from "./hmac/server.ts";
export { type ProtectOptions, protect } from "./protect.ts";
export type { MetadataVerifier, SignatureVerifier, Verifier } from "./verifier.ts";
export { wireBytes } from "./wire-bytes.ts";
