import type { Writable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { encodeMessage } from "./message-codec.ts";

// What may wait in our process to be sent, in bytes, beside one message: as much as HTTP/2 lets be on its way unread
// (RFC 9113, section 6.9.2). The streams of grpc-js count messages instead, 16 of them, however large each is.
const mostWaitingBytes = 64 * 1024;
// What is written before others get a turn: grpc-js takes messages that it keeps for another attempt at once, and an
// iterable that waits for nothing would hold up the whole process.
const mostBytesPerTurn = 64 * 1024;
// What a message costs besides its bytes, so that empty ones cannot wait without bound.
const messageOverheadBytes = 1024;

/** What `writeMessages` needs. */
export interface WriteOptions<D extends DescMessage> {
  readonly stream: Writable;
  readonly schema: D;
  readonly messages: AsyncIterable<MessageInitShape<D>>;
  /** Aborts when nobody will take another message. */
  readonly signal: AbortSignal;
  /** Is called before the first message is written. */
  readonly beforeFirst?: () => void;
}

/**
 * Writes messages as fast as the other side takes them, and does not end the stream.
 *
 * Whatever stops it early (the signal, a message that cannot be serialized) calls `return()` on the iterator, so that
 * its `finally` runs. Throws what the iterator throws, or the reason of the signal.
 */
export async function writeMessages<D extends DescMessage>(options: WriteOptions<D>): Promise<void> {
  const { stream, schema, messages, signal } = options;
  // An async function in place of a generator gives a promise, whatever the types say; what it rejects with is ours to tell.
  const iterator = (await orAborted(Promise.resolve(messages), signal))[Symbol.asyncIterator]();
  const send = sender(stream, signal);
  let { beforeFirst } = options;
  let done = false;
  try {
    while (!done) {
      signal.throwIfAborted();
      const next = await orAborted(iterator.next(), signal);
      done = next.done === true;
      if (next.done === true) return;
      const bytes = encodeMessage(schema, next.value);
      beforeFirst?.();
      beforeFirst = undefined;
      await send(bytes);
    }
  } finally {
    // Not awaited: a generator takes note of it only after the promise that it waits for, which may be never.
    if (!done) void close(iterator);
  }
}

// Waits for the stream's own word that a message has been taken, and listens to nothing else: its errors are not the
// writer's to tell, and whatever ends the stream aborts the signal.
function sender(stream: Writable, signal: AbortSignal): (bytes: Buffer) => Promise<void> | undefined {
  let waitingBytes = 0;
  let turnBytes = 0;
  let taken = Promise.withResolvers<void>();
  return (bytes) => {
    const cost = bytes.length + messageOverheadBytes;
    waitingBytes += cost;
    turnBytes += cost;
    stream.write(bytes, (error) => {
      if (error != null) return;
      waitingBytes -= cost;
      taken.resolve();
    });
    return waitingBytes < mostWaitingBytes && turnBytes < mostBytesPerTurn ? undefined : wait();
  };

  async function wait(): Promise<void> {
    turnBytes = 0;
    await setImmediate();
    while (waitingBytes >= mostWaitingBytes) {
      taken = Promise.withResolvers();
      await orAborted(taken.promise, signal);
    }
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
