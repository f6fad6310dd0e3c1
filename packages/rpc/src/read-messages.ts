import type { Readable } from "node:stream";

/**
 * Reads the messages of a stream one by one, and leaves the stream alone when its reader stops early: the iterator of
 * Node would destroy it, and the status with it.
 *
 * Throws the reason of `signal` once that is aborted.
 */
export async function* readMessages(stream: Readable, signal?: AbortSignal): AsyncGenerator<Buffer, void, undefined> {
  let wake = (): void => {};
  const onChange = (): void => wake();
  const events = ["readable", "end", "close"] as const;
  for (const event of events) stream.on(event, onChange);
  signal?.addEventListener("abort", onChange);
  try {
    for (;;) {
      signal?.throwIfAborted();
      // All streams of this package carry bytes; see `serviceDefinition`.
      const message = stream.read() as Buffer | null;
      if (message !== null) yield message;
      else if (stream.readableEnded || stream.destroyed) return;
      else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    for (const event of events) stream.off(event, onChange);
    signal?.removeEventListener("abort", onChange);
  }
}
