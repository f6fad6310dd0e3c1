import { setTimeout } from "node:timers/promises";
import { connectivityState } from "@grpc/grpc-js";
import { type ChannelGeneration, LONGEST_TIMER_MS } from "./channel-generation.ts";

/** Gets what calls with a certificate will need, before the first of them; throws or rejects where it cannot be had yet. */
export type Preparation = (certificateThumbprint: string) => unknown;

/** A preparation that failed is tried again after this. */
const AGAIN_MS = 1_000;
/** A certificate that ends sooner than this is not used for another call, however little the next one is ready. */
const MARGIN_MS = 30_000;

/**
 * Waits until calls are better made on another channel than on the one that they are made on: when that one has a connection and
 * all that was to be prepared for it, or when this one cannot be used any longer, since its connections fail or its certificate ends.
 *
 * @param onHeldUp - hears, at most once, that the other is not ready and why: that it has no connection, or that a preparation failed
 * @param signal - ends the waiting
 */
export async function succession(options: {
  readonly current: ChannelGeneration;
  readonly next: ChannelGeneration;
  readonly preparations: readonly Preparation[];
  readonly onHeldUp: (why: string) => void;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { current, next, preparations, signal } = options;
  let isHeldUp = false;
  const heldUp = (why: string): void => {
    if (!isHeldUp && !signal.aborted) options.onHeldUp(why);
    isHeldUp = true;
  };
  const prepared = async (prepare: Preparation): Promise<void> => {
    // Not before everybody has been told of the new certificate, which whoever shows it elsewhere has to know too.
    await Promise.resolve();
    while (!signal.aborted) {
      try {
        await prepare(next.thumbprint);
        return;
      } catch {
        heldUp("what they need with the new one cannot be had yet");
        await sleep(AGAIN_MS, signal);
      }
    }
  };
  void next
    .reaches(connectivityState.TRANSIENT_FAILURE)
    .then(() => heldUp("no connection can be made with the new one"));
  await Promise.race([
    Promise.all([next.reaches(connectivityState.READY), ...preparations.map(prepared)]),
    current.reaches(connectivityState.TRANSIENT_FAILURE),
    sleep(Math.max(0, current.expiresAtMs - MARGIN_MS - Date.now()), signal),
  ]);
}

/** Keeps no process alive. */
async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  await setTimeout(Math.min(ms, LONGEST_TIMER_MS), undefined, { signal, ref: false }).catch(() => undefined);
}
