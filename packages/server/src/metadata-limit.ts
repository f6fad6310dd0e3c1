import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { status } from "@grpc/grpc-js";

/** What HTTP/2 counts for an entry besides its name and value (RFC 9113, section 6.5.2). */
const ENTRY_OVERHEAD_BYTES = 32;

/**
 * Refuses a call whose metadata is too large, RESOURCE_EXHAUSTED. The setting that says so to the peer binds in Node only once
 * the peer has acknowledged it, which one that means harm never does.
 *
 * @returns whether the call was refused
 */
export function refuseLargeMetadata(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  maxMetadataBytes: number,
): boolean {
  if (metadataBytes(headers) <= maxMetadataBytes) return false;
  // The reset of a stream that nobody else will ever see would be an exception that nobody catches.
  stream.on("error", () => undefined);
  stream.respond(
    {
      [constants.HTTP2_HEADER_STATUS]: constants.HTTP_STATUS_OK,
      [constants.HTTP2_HEADER_CONTENT_TYPE]: "application/grpc+proto",
      "grpc-status": status.RESOURCE_EXHAUSTED,
      "grpc-message": "The metadata is too large.",
    },
    { endStream: true },
  );
  return true;
}

function metadataBytes(headers: IncomingHttpHeaders): number {
  let bytes = 0;
  for (const name of Object.keys(headers)) {
    const value = headers[name];
    if (Array.isArray(value)) for (const each of value) bytes += name.length + each.length + ENTRY_OVERHEAD_BYTES;
    else bytes += name.length + (value?.length ?? 0) + ENTRY_OVERHEAD_BYTES;
  }
  return bytes;
}
