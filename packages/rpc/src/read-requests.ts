import type { Readable } from "node:stream";
import { setImmediate, setTimeout } from "node:timers/promises";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { readMessages } from "./read-messages.ts";
import { readRequest } from "./read-request.ts";

// A client on Node that cancels, or whose deadline passes, sends END_STREAM and only in its next write RST_STREAM: half
// an upload looks like the whole for that long. Between them lie the wire's jitter and a turn of the client's event loop.
const cutOffGraceMs = 10;

/**
 * The requests of a stream, each parsed and checked when the handler asks for it.
 *
 * Ends when the caller has said that there are no more, and has not taken that back at once. Throws the reason of
 * `signal` when the caller went away.
 */
export async function* readRequests<D extends DescMessage>(
  schema: D,
  stream: Readable,
  signal: AbortSignal,
): AsyncGenerator<MessageShape<D>, void, undefined> {
  for await (const bytes of readMessages(stream, signal)) yield readRequest(schema, bytes);
  await setTimeout(cutOffGraceMs);
  // After the timer has fired, what had arrived by then is read first, however late it fired.
  await setImmediate();
  signal.throwIfAborted();
}
