import { type Random, seededRandom } from "../../kills/seeded-random.ts";
import { quantilesOf } from "../quantiles.ts";
import type { CalledTarget } from "./called-target.ts";
import type { TimedSaid } from "./orders.ts";

/** Calls that come at this rate on average and as they like (exponential gaps), whatever becomes of those before them. */
export interface Timing {
  readonly ms: number;
  readonly perSecond: number;
  readonly seed: number;
}

/** Makes calls when they are due, and says how long each took from then, also when it could only be sent later. */
export async function timed({ call }: Pick<CalledTarget, "call">, { ms, perSecond, seed }: Timing): Promise<TimedSaid> {
  const due = dueTimes(seededRandom(seed), ms, 1_000 / perSecond);
  const latencies: number[] = [];
  let fault: string | undefined;
  const finished = Promise.withResolvers<void>();
  const startedAt = performance.now();
  let sent = 0;
  const send = (dueAt: number) => {
    call(sent, (wrong) => {
      fault ??= wrong;
      latencies.push(performance.now() - startedAt - dueAt);
      if (latencies.length === due.length) finished.resolve();
    });
    sent += 1;
  };
  // Looks again and again: a timer would be late by up to a millisecond, which is more than a call takes.
  const look = () => {
    const now = performance.now() - startedAt;
    for (let dueAt = due[sent]; dueAt !== undefined && dueAt <= now; dueAt = due[sent]) send(dueAt);
    if (sent < due.length) setImmediate(look);
  };
  look();
  await finished.promise;
  if (fault !== undefined) throw new Error(`A call failed: ${fault}`);
  return { calls: due.length, perSecond, ...quantilesOf(latencies) };
}

function dueTimes(random: Random, ms: number, meanGapMs: number): readonly number[] {
  const times: number[] = [];
  for (let at = 0; at < ms; at += -Math.log(1 - random(1_000_000) / 1_000_000) * meanGapMs) times.push(at);
  return times;
}
