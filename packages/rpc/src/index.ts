export { type AddServiceOptions, addService, type FailedCall } from "./add-service.ts";
export { type CallLimitsOptions, callLimits } from "./call-limits.ts";
export type { ChannelSource } from "./channel-source.ts";
export { type Client, type ClientMethod, type ClientOptions, createClient, defaultTimeoutMs } from "./client.ts";
export type {
  BidiHandler,
  ClientStreamHandler,
  HandlerContext,
  HandlerOf,
  Handlers,
  ServerStreamHandler,
  UnaryHandler,
} from "./handlers.ts";
export type { OutlierDetection } from "./load-balancing.ts";
export type { CallOptions } from "./outgoing-call.ts";
export { decodePageToken, encodePageToken, type PagePosition } from "./page-token.ts";
export { requestFingerprint } from "./request-fingerprint.ts";
export { detail, RpcError, type RpcErrorOptions } from "./rpc-error.ts";
export { type ServiceConfigOptions, serviceConfig } from "./service-config.ts";
