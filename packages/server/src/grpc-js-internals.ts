import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { createRequire } from "node:module";
import * as grpc from "@grpc/grpc-js";
import { boundGoodbye, coverSession } from "./covered-session.ts";
import { refuseLargeMetadata } from "./metadata-limit.ts";

/**
 * The one file that touches private fields of grpc-js, for what has no public way: calls to methods that are not
 * registered pass no interceptor, the size of the metadata that a server takes is not bounded, a caller that was refused
 * may go on sending for ever, calls are cut off at random once their connection is old, a connection that was closed stays
 * open for as long as its peer likes, and how many calls may be cancelled before Node ends the connection cannot be chosen.
 */
interface ServerInternals {
  commonServerOptions: {
    settings?: { maxConcurrentStreams?: number; maxHeaderListSize?: number };
    maxHeaderListPairs?: number;
    maxSessionRejectedStreams?: number;
    streamResetBurst?: number;
    streamResetRate?: number;
  };
  _retrieveHandler: (this: unknown, path: string) => Handler | null;
  _streamHandler: StreamHandler;
  /** In place of `_streamHandler` unless the server was made with `grpc.enable_channelz: 0`. */
  _channelzHandler: StreamHandler;
}

type StreamHandler = (
  this: unknown,
  interceptors: unknown,
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
) => void;

interface Handler {
  readonly type: "bidi";
  readonly path: string;
  readonly func: grpc.handleBidiStreamingCall<Buffer, Buffer>;
  readonly serialize: (message: Buffer) => Buffer;
  readonly deserialize: (bytes: Buffer) => Buffer;
}

/** The versions that this was read and tested against. */
const KNOWN_VERSION = /^1\.14\.\d+$/u;

export interface Http2Limits {
  /** The sum over all entries of name + value + 32 (RFC 9113, section 6.5.2, SETTINGS_MAX_HEADER_LIST_SIZE). */
  readonly maxMetadataBytes: number;
  readonly maxMetadataEntries: number;
  /** How many streams of a connection may be reset at once before it is closed. */
  readonly resetBurst: number;
  /** How fast that allowance grows again. */
  readonly resetsPerSecond: number;
  /** Told of each call that is refused for its metadata, which no interceptor sees, with the address that it came from. */
  readonly onLargeMetadata?: (remoteAddress: string | undefined) => void;
}

/** Throws for a version of grpc-js that `coverGaps` does not know. */
export function assertKnownGrpcJs(version: string = installedVersion()): void {
  if (KNOWN_VERSION.test(version)) return;
  throw new Error(
    `@grpc/grpc-js ${version} is not a version whose inside is known here (1.14.x); install one of those, or read its server.ts and adapt grpc-js-internals.ts.`,
  );
}

/**
 * Makes calls to methods that are not registered pass the server's interceptors, to be answered UNIMPLEMENTED without
 * an echo of the path, bounds the metadata of a call and the calls that a connection cancels, stops taking what a refused
 * caller sends, lets calls end on a connection that is closing, and ends those of peers that do not close them. To be called
 * before the server's connection injector is made.
 */
export function coverGaps(server: grpc.Server, limits: Http2Limits): void {
  assertKnownGrpcJs();
  const internals = server as unknown as ServerInternals;
  const { commonServerOptions, _retrieveHandler: retrieve, _streamHandler, _channelzHandler } = internals;
  const methods = [retrieve, _streamHandler, _channelzHandler];
  if (methods.some((method) => typeof method !== "function") || typeof commonServerOptions !== "object") {
    throw new TypeError(
      "grpc.Server has not the inside that is known here: unregistered methods would pass no interceptor.",
    );
  }
  commonServerOptions.settings = { ...commonServerOptions.settings, maxHeaderListSize: limits.maxMetadataBytes };
  commonServerOptions.maxHeaderListPairs = limits.maxMetadataEntries;
  commonServerOptions.streamResetBurst = limits.resetBurst;
  commonServerOptions.streamResetRate = limits.resetsPerSecond;
  // Node is behind with forgetting streams that were reset, and rejects the ones that take their place. By default it
  // ends the connection after 100 of these.
  commonServerOptions.maxSessionRejectedStreams = limits.resetBurst;
  const newInjector = server.createConnectionInjector.bind(server);
  server.createConnectionInjector = (credentials) => {
    const injector = newInjector(credentials);
    return { ...injector, injectConnection: (socket) => injector.injectConnection(boundGoodbye(socket)) };
  };
  internals._retrieveHandler = (path) => retrieve.call(server, path) ?? unregistered(path);
  internals._streamHandler = coverStream(_streamHandler, limits);
  internals._channelzHandler = coverStream(_channelzHandler, limits);
}

function coverStream(handle: StreamHandler, { maxMetadataBytes, onLargeMetadata }: Http2Limits): StreamHandler {
  return function handleCovered(this: unknown, interceptors, stream, headers) {
    const { session } = stream;
    if (session !== undefined) coverSession(session, stream);
    if (refuseLargeMetadata(stream, headers, maxMetadataBytes)) onLargeMetadata?.(session?.socket.remoteAddress);
    else handle.call(this, interceptors, stream, headers);
  };
}

/** Of the kind that takes any number of messages, so that the answer does not depend on what the caller sends. */
function unregistered(path: string): Handler {
  return {
    type: "bidi",
    path,
    func: (call) => {
      call.emit("error", { code: grpc.status.UNIMPLEMENTED, details: "The method is not implemented." });
    },
    serialize: (message) => message,
    deserialize: (bytes) => bytes,
  };
}

function installedVersion(): string {
  const { version } = createRequire(import.meta.url)("@grpc/grpc-js/package.json") as { version: string };
  return version;
}
