export { type AddServiceOptions, addService, type FailedCall } from "./add-service.ts";
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
export type { CallOptions } from "./outgoing-call.ts";
export { decodePageToken, encodePageToken, type PagePosition } from "./page-token.ts";
export { requestFingerprint } from "./request-fingerprint.ts";
export { RpcError } from "./rpc-error.ts";
