import { afterAll } from "vitest";
import { type GoodCaller, startGoodCaller } from "./good-caller.ts";
import type { Trial } from "./trial.ts";

/** By how much the memory of a service may grow in an attack, in bytes; many attacks are of gigabytes. */
const maxGrowth = 256 * 2 ** 20;

/**
 * Attacks while a good caller calls. Then the good caller was served throughout, the process lives and is the same one, and
 * its memory is bounded. Prints the figures.
 */
export type Survives = (trial: Trial, what: string, attack: () => Promise<void>) => Promise<void>;

/** Makes what sees that a service survives, for the scenarios of one file: its good caller is started for the first of them. */
export function survivalOf(service: "order" | "payment"): Survives {
  let good: GoodCaller | undefined;
  afterAll(() => good?.[Symbol.asyncDispose]());

  return async function survives(trial, what, attack) {
    good ??= await startGoodCaller(trial.stack, service);
    const attacked = trial.stack[service];
    const start = await attacked.startedAs();
    await good.served();
    const before = await attacked.memory();
    const failure = await attack().then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    // Whatever else went wrong, the end of the process would be why.
    const lives = (await attacked.startedAs()) === start;
    if (failure !== undefined && lives) throw failure.error;
    if (!lives) {
      trial.observe(what, "survives", "the process has ended");
      return;
    }
    const after = await attacked.memory();
    const { calls, failures, tookMs } = await good.served();
    console.log(
      `${what}: memory ${megabytes(before.now)}, at most ${megabytes(after.peak)}, then ${megabytes(after.now)} MB;`,
      `good caller: ${calls} calls, ${failures.length} failed, slowest ${Math.round(Math.max(0, ...tookMs))} ms`,
    );
    const problems = [
      ...(calls > 0 ? [] : ["a good caller got no answer"]),
      ...new Set(failures),
      ...(after.peak - before.now < maxGrowth ? [] : [`the memory grew to ${megabytes(after.peak)} MB`]),
    ];
    trial.observe(what, "survives", problems.length === 0 ? "survives" : problems.join("; "));
  };
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}
