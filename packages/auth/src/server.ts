export type { ApiKeyMode } from "./api-key/format.ts";
export type { ApiKeyRecord, ApiKeySecret, ApiKeySource } from "./api-key/records.ts";
export { type ApiKeyOptions, apiKey } from "./api-key/server.ts";
export type { ApiKeyUse } from "./api-key/use-sampler.ts";
export { anyRevocations } from "./bearer/any-revocations.ts";
export { type JwksOptions, jwks } from "./bearer/jwks.ts";
export { type KeySet, KeysUnavailable, type TokenAlgorithm, type VerificationKey } from "./bearer/key-set.ts";
export { type BearerOptions, bearer } from "./bearer/server.ts";
export {
  type PolledRevocations,
  type RevocableToken,
  RevocationsUnavailable,
  type TokenRevocations,
  type TokenRevocationsOptions,
  tokenRevocations,
} from "./bearer/token-revocations.ts";
export type { Finding, Grant } from "./decision.ts";
export type { DecisionEvent, DecisionMeasure, DecisionOutcome, Printable } from "./decision-event.ts";
export { type GrantSource, type Grants, parseGrants } from "./grants.ts";
export { type KeySource, type SigningKey, signingSecret } from "./hmac/keys.ts";
export {
  type MemoryNonceOptions,
  type MemoryNonceStore,
  memoryNonceStore,
  type NonceStore,
  type NonceUse,
  type NonceVerdict,
  type NonceWindow,
} from "./hmac/nonces.ts";
export { type HmacOptions, hmac } from "./hmac/server.ts";
export { JsonShapeError } from "./json-shape.ts";
export type { KeyRecord } from "./key-record.ts";
export type { LimitStore, LimitTake, LimitVerdict, Rate } from "./limits/limit-store.ts";
export {
  defaultClientLimit,
  defaultFailureLimit,
  defaultPeerLimit,
  type Limit,
  type LimitsOptions,
} from "./limits/limiter.ts";
export { type MemoryLimits, type MemoryLimitsOptions, memoryLimits } from "./limits/memory-limits.ts";
export { sharedLimits } from "./limits/shared-limits.ts";
export { type ProtectOptions, protect } from "./protect.ts";
// oxlint-disable-next-line typescript/no-deprecated -- for the days of adoption
export { unsafeShadowMode } from "./shadow-mode.ts";
export type {
  CallFacts,
  MetadataVerifier,
  PendingSignature,
  Recheck,
  SignatureVerifier,
  Verification,
  Verifier,
} from "./verifier.ts";
export { wireBytes } from "./wire-bytes.ts";
