import { vi } from "vitest";
import type { Outcome } from "./call.ts";

/** What anybody may rely on: a change of whatever kind, a revocation for instance, is effective after that, in milliseconds. */
export const effectiveMs = 30_000;

/**
 * Makes a call again and again until it has the status that is waited for.
 *
 * @throws when it has not within the stated time
 */
export async function becomes(wanted: string, call: () => Promise<Outcome>): Promise<Outcome> {
  const tried = async () => {
    const outcome = await call();
    if (outcome.status !== wanted) throw new Error(`It is ${outcome.status}, and not ${wanted}.`);
    return outcome;
  };
  return await vi.waitFor(tried, { timeout: effectiveMs, interval: 100 });
}
