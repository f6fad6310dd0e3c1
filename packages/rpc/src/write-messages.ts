import type { Writable } from "node:stream";
import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { encodeMessage } from "./message-codec.ts";

/** What `writeMessages` needs. */
export interface WriteOptions<D extends DescMessage> {
  readonly stream: Writable;
  readonly schema: D;
  readonly messages: AsyncIterable<MessageInitShape<D>>;
  /** Aborts when nobody will take another message. */
  readonly signal: AbortSignal;
}

/**
 * Writes messages as fast as the other side takes them, and does not end the stream.
 *
 * Whatever stops it early (the signal, a message that cannot be serialized) calls `return()` on the iterator, so that
 * its `finally` runs. Throws what the iterator throws, or the reason of the signal.
 */
export async function writeMessages<D extends DescMessage>(options: WriteOptions<D>): Promise<void> {
  const { stream, schema, messages, signal } = options;
  const iterator = messages[Symbol.asyncIterator]();
  let done = false;
  try {
    while (!done) {
      signal.throwIfAborted();
      const next = await orAborted(iterator.next(), signal);
      done = next.done === true;
      if (next.done === true) return;
      if (!stream.write(encodeMessage(schema, next.value))) await drained(options);
    }
  } finally {
    // Not awaited: a generator takes note of it only after the promise that it waits for, which may be never.
    if (!done) void close(iterator);
  }
}

// Listens to nothing but these two: `once` of Node would throw the stream's error, which is not the writer's to tell.
async function drained({ stream, signal }: Pick<WriteOptions<DescMessage>, "stream" | "signal">): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onAbort = (): void => reject(signal.reason);
  stream.once("drain", resolve);
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    await promise;
  } finally {
    stream.off("drain", resolve);
    signal.removeEventListener("abort", onAbort);
  }
}

async function close(iterator: AsyncIterator<unknown>): Promise<void> {
  try {
    await iterator.return?.();
  } catch {
    // What stopped the writing is what is reported.
  }
}

function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  return Promise.race([promise, aborted]).finally(() => signal.removeEventListener("abort", onAbort));
}
