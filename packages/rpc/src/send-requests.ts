import type { Writable } from "node:stream";
import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { writeMessages } from "./write-messages.ts";

/** Requests on their way. */
export interface Sending {
  /** Rejects with what the caller's iterable threw, or why a request could not be serialized; never resolves. */
  readonly failed: Promise<never>;
  /** Takes no more requests: the call has ended. */
  readonly stop: () => void;
}

/** Sends requests beside the answers, as fast as the server takes them, and then half-closes the call. */
export function sendRequests<D extends DescMessage>(
  stream: Writable,
  schema: D,
  messages: AsyncIterable<MessageInitShape<D>>,
): Sending {
  const ended = new AbortController();
  const { promise: failed, reject } = Promise.withResolvers<never>();
  writeMessages({ stream, schema, messages, signal: ended.signal }).then(
    () => stream.end(),
    (error: unknown) => {
      if (!ended.signal.aborted) reject(error);
    },
  );
  return { failed, stop: () => ended.abort() };
}
