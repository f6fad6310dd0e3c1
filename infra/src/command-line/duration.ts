import { CommandError } from "./command-error.ts";

const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * Reads how long something is, `90d` for instance.
 *
 * @param option - the option that it was given with, for the sentence
 * @returns milliseconds
 * @throws {CommandError} when it is none, or nothing
 */
export function durationMs(option: string, text: string): number {
  const [, count = "", unit = ""] = /^([1-9][0-9]{0,4})([smhd])$/.exec(text) ?? [];
  const ms = unitMs[unit];
  if (ms === undefined) {
    throw new CommandError(`--${option} must be a time such as 15m, 24h or 90d; it is "${text}".`);
  }
  return Number(count) * ms;
}
