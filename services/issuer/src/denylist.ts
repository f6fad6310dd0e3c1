import { toSeconds } from "./lifetimes.ts";
import { unended } from "./operator-revocations.ts";
import type { ReloadedFile } from "./reloaded-file.ts";
import { type Revocations, revocationDocument } from "./revocations.ts";
import type { IssuerStore } from "./store.ts";

/** What the denylist is made of. */
export interface DenylistOptions {
  readonly store: IssuerStore;
  /** What the operator revokes. */
  readonly revocations: ReloadedFile<Revocations>;
  /** What has ended by this clock is not in it any more. */
  readonly now: () => number;
}

/** Gives the denylist, with all that was revoked before it was asked for; rejects when there is none to give. */
export type Denylist = () => Promise<Buffer>;

/** Makes the denylist once for all that ask at a time, since a long one takes a while and anybody may ask. */
export function createDenylist({ store, revocations, now }: DenylistOptions): Denylist {
  let last: { readonly text: Buffer; readonly of: string; readonly file: Revocations } | undefined;
  let running: Promise<Buffer> | undefined;
  let next: Promise<Buffer> | undefined;

  async function make(): Promise<Buffer> {
    const seconds = toSeconds(now());
    // The time is in it for another process on the same database, which revokes without our knowing, and for what ends.
    const of = `${store.revision} ${seconds}`;
    const file = revocations.current();
    if (last?.of !== of || last.file !== file) {
      const text = revocationDocument([await store.revocations(seconds), unended(file, seconds)]);
      last = { text: Buffer.from(text), of, file };
    }
    return last.text;
  }

  function start(): Promise<Buffer> {
    next = undefined;
    const making = make().finally(() => {
      if (running === making) running = undefined;
    });
    running = making;
    return making;
  }

  return () => {
    if (running === undefined) return start();
    // The one that is being made may lack what was revoked meanwhile: whoever comes now waits for the next.
    next ??= running.then(start, start);
    return next;
  };
}
