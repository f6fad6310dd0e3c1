import type { Metadata } from "@grpc/grpc-js";
import { statusDetailsKey } from "./status-details.ts";

/**
 * What the headers or trailers of an answer may take up, in bytes: callers accept 16 KiB (a longer block can cost them the
 * connection, not only the call), of which the rest is for what gRPC and HTTP/2 add.
 */
const mostMetadataBytes = 15 * 1024;

/** Names that HTTP/2 knows no header by (RFC 9113, section 8.2), or that it counts by itself. */
const notHttp2s =
  /:|^(?:connection|content-length|http2-settings|keep-alive|proxy-connection|transfer-encoding|upgrade)$/u;

/** Names that are gRPC's: set by a handler, `grpc-status` would take the place of the real one. */
const grpcs = /^(?:grpc-(?!status-details-bin$|retry-pushback-ms$)|(?:content-type|te)$)/u;

/** The metadata of an answer, with what did not fit into it. */
export interface FittingMetadata {
  readonly metadata: Metadata;
  /** Says that something was left out, and why. */
  readonly problem?: RangeError;
}

/**
 * A copy of metadata without what HTTP/2 cannot carry: Node throws at it, and at trailers where nobody can catch that.
 *
 * Node takes some names once only, so the values of a name become one, as any recipient may make them (RFC 9110, section
 * 5.3).
 */
export function http2Metadata(metadata: Metadata): Metadata {
  const copy = metadata.clone();
  for (const name of namesOf(copy)) {
    if (notHttp2s.test(name)) copy.remove(name);
    else if (!name.endsWith("-bin")) copy.set(name, copy.get(name).join(", "));
  }
  return copy;
}

/** A copy of a handler's metadata without what is the protocol's to say. Throws a RangeError if it is too large to send. */
export function ownMetadata(metadata: Metadata, mostBytes: number = mostMetadataBytes): Metadata {
  // Most answers have none.
  if (namesOf(metadata).length === 0) return metadata.clone();
  const copy = http2Metadata(metadata);
  for (const name of namesOf(copy)) if (grpcs.test(name)) copy.remove(name);
  const bytes = metadataBytes(copy);
  if (bytes > mostBytes) {
    throw new RangeError(
      `The metadata of an answer takes ${bytes} bytes, more than the ${mostBytes} that can be sent.`,
    );
  }
  return copy;
}

/** The trailers of a failure, which has to be told: what does not fit beside its text is left out, details first. */
export function fittingTrailers(metadata: Metadata, text: string): FittingMetadata {
  const mostBytes = mostMetadataBytes - encodeURI(text).length;
  try {
    return { metadata: ownMetadata(metadata, mostBytes) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const shorter = metadata.clone();
    const dropped = shorter.get(statusDetailsKey).length > 0 ? [statusDetailsKey] : namesOf(shorter);
    for (const name of dropped) shorter.remove(name);
    return { ...fittingTrailers(shorter, text), problem: error };
  }
}

function namesOf(metadata: Metadata): string[] {
  return Object.keys(metadata.toHttp2Headers());
}

/** The size of metadata as HTTP/2 counts it (RFC 9113, section 6.5.2): name, value and 32 for every entry. */
function metadataBytes(metadata: Metadata): number {
  return Object.entries(metadata.toHttp2Headers())
    .flatMap(([name, values]) => [values].flat().map((value) => name.length + String(value).length + 32))
    .reduce((sum, bytes) => sum + bytes, 0);
}
