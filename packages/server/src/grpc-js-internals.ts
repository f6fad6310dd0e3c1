import { createRequire } from "node:module";
import * as grpc from "@grpc/grpc-js";

/**
 * The one file that touches private fields of grpc-js, for what has no public way: calls to methods that are not
 * registered pass no interceptor, and the size of the metadata that a server takes is not bounded.
 */
interface ServerInternals {
  commonServerOptions: {
    settings?: { maxConcurrentStreams?: number; maxHeaderListSize?: number };
    maxHeaderListPairs?: number;
  };
  _retrieveHandler: (this: unknown, path: string) => Handler | null;
}

interface Handler {
  readonly type: "bidi";
  readonly path: string;
  readonly func: grpc.handleBidiStreamingCall<Buffer, Buffer>;
  readonly serialize: (message: Buffer) => Buffer;
  readonly deserialize: (bytes: Buffer) => Buffer;
}

/** The versions that this was read and tested against. */
const KNOWN_VERSION = /^1\.14\.\d+$/u;

export interface MetadataLimits {
  /** The sum over all entries of name + value + 32 (RFC 9113, section 6.5.2, SETTINGS_MAX_HEADER_LIST_SIZE). */
  readonly maxMetadataBytes: number;
  readonly maxMetadataEntries: number;
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
 * an echo of the path, and bounds the metadata of a call. To be called before the server gets its first connection.
 */
export function coverGaps(server: grpc.Server, limits: MetadataLimits): void {
  assertKnownGrpcJs();
  const internals = server as unknown as ServerInternals;
  const { commonServerOptions, _retrieveHandler: retrieve } = internals;
  if (typeof retrieve !== "function" || typeof commonServerOptions !== "object") {
    throw new TypeError(
      "grpc.Server has no _retrieveHandler or commonServerOptions: unregistered methods would pass no interceptor.",
    );
  }
  commonServerOptions.settings = { ...commonServerOptions.settings, maxHeaderListSize: limits.maxMetadataBytes };
  commonServerOptions.maxHeaderListPairs = limits.maxMetadataEntries;
  internals._retrieveHandler = (path) => retrieve.call(server, path) ?? unregistered(path);
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
