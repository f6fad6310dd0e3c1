import { createHash } from "node:crypto";
import { status } from "@grpc/grpc-js";
import { RpcError } from "./rpc-error.ts";

/** Where a page ends, and of which list. */
export interface PagePosition {
  /** The list that is paged through: the method, and all that narrows its result (the client, filters). */
  readonly list: string;
  /** The key of the last row of the page, for a query that goes on after it; nothing that the caller may not know. */
  readonly after: string;
}

/** The sum finds mistakes, such as a token of another list; it keeps no secret and grants nothing. */
const checksumBytes = 9;

/** Makes an opaque `next_page_token` (AIP-158) of the position at which the next page begins. */
export function encodePageToken(position: PagePosition): string {
  return Buffer.concat([checksum(position), Buffer.from(position.after, "utf8")]).toString("base64url");
}

/**
 * Reads a `page_token` (AIP-158); the empty token is the first page, whose position is the empty string.
 *
 * The position comes from the caller: the query that uses it must by itself show nothing that is not theirs.
 *
 * @throws RpcError INVALID_ARGUMENT when `encodePageToken` did not make it for this list.
 */
export function decodePageToken(token: string, list: string): string {
  if (token === "") return "";
  const bytes = Buffer.from(token, "base64url");
  const after = bytes.subarray(checksumBytes).toString("utf8");
  // Encoded again, since the decoder skips what it does not know: a position has one token only.
  if (after === "" || encodePageToken({ list, after }) !== token)
    throw new RpcError(status.INVALID_ARGUMENT, "The page token is not one that this list gave out.");
  return after;
}

function checksum({ list, after }: PagePosition): Buffer {
  return createHash("sha256")
    .update(JSON.stringify([list, after]))
    .digest()
    .subarray(0, checksumBytes);
}
