export { type Attacker, type AttackTarget, attacker } from "./attacker/attacker.ts";
export {
  connectionPreface,
  continuationFrame,
  dataFrame,
  type Frame,
  type FrameEnd,
  frame,
  frameFlag,
  frameType,
  headersFrame,
  headersFrames,
  maxFrameSize,
  pingFrame,
  rstStreamFrame,
  settingsFrame,
  windowUpdateFrame,
} from "./attacker/frames.ts";
export { type GrpcMessageOptions, grpcMessage } from "./attacker/grpc-message.ts";
export type { AttackAnswer, AttackCall, AttackStream, GrpcSession } from "./attacker/grpc-session.ts";
export { callFields, type HeaderFields, headerBlock } from "./attacker/header-block.ts";
export type { Wire, WireOptions } from "./attacker/wire.ts";
export {
  type AuthorityKeys,
  type CaOptions,
  createCa,
  extendedKeyUsage,
  type IssuedCertificate,
  type LeafKeyUsage,
  type LeafOptions,
  type TestCa,
} from "./ca.ts";
export { isCollected } from "./collected.ts";
export {
  type PingContext,
  type PingEachRequest,
  PingEachRequestSchema,
  type PingEachResponse,
  PingEachResponseSchema,
  type PingHandlers,
  type PingManyRequest,
  PingManyRequestSchema,
  type PingManyResponse,
  PingManyResponseSchema,
  type PingOptions,
  type PingRequest,
  PingRequestSchema,
  type PingResponse,
  PingResponseSchema,
  PingService,
  type PingSumRequest,
  PingSumRequestSchema,
  type PingSumResponse,
  PingSumResponseSchema,
  pingHandlers,
} from "./ping.ts";
export type { CaName, CrlOptions, CrlsOptions } from "./revocation-list.ts";
export { createTokenIssuer, type TestTokenIssuer } from "./token-issuer.ts";
