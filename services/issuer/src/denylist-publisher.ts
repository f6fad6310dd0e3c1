import type { Log } from "@zero-trust/server";
import type { Denylist } from "./denylist.ts";

/** How often what is revoked is looked at, in milliseconds: it is known everywhere after that. */
const LOOK_MS = 500;
/** How often it is published though nothing has changed: whoever was told may have lost it. */
const REPEAT_MS = 2_000;

/** What is published, and to whom. */
export interface DenylistPublisherOptions {
  readonly denylist: Denylist;
  /** Whether the denylist can be relied on. */
  readonly isCurrent: () => boolean;
  readonly publish: (list: unknown) => Promise<void>;
  readonly log: Log;
}

/** Tells all that is revoked to those who do not wait for their next look at the list, again and again. */
export function publishDenylist({ denylist, isCurrent, publish, log }: DenylistPublisherOptions): {
  /** Resolves when the last round has ended. */
  readonly close: () => Promise<void>;
} {
  let published: { readonly text: Buffer; readonly atMs: number } | undefined;
  let complaint: string | undefined;
  let running: Promise<void> | undefined;

  async function round(): Promise<void> {
    // A list that may lack something is worse than none: nobody is told, and nobody is told that it is all.
    if (!isCurrent()) return;
    const atMs = performance.now();
    const text = await denylist();
    if (published?.text.equals(text) === true && atMs - published.atMs < REPEAT_MS) return;
    await publish(JSON.parse(text.toString()));
    published = { text, atMs };
    complaint = undefined;
  }

  function failed(err: Error): void {
    published = undefined;
    if (err.message !== complaint) log.warn({ err }, "revocations are not published; the list has them");
    complaint = err.message;
  }

  const timer = setInterval(() => {
    running ??= round()
      .catch(failed)
      .finally(() => {
        running = undefined;
      });
  }, LOOK_MS).unref();
  return {
    async close() {
      clearInterval(timer);
      await running;
    },
  };
}
