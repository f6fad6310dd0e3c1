import { expect, vi } from "vitest";
import type { Fleet } from "./fleet.ts";
import { type Load, type LoadFigures, type LoadOptions, startLoad } from "./load.ts";
import { complaintsOfLoad } from "./oracle.ts";

/** How long orders may take to be paid once nothing is broken any more, in milliseconds. */
const settling = { timeout: 90_000, interval: 100 };

/**
 * Puts load on a fleet while something is done to it, and sees that nobody noticed: no caller saw an error, all that was acknowledged
 * is there, and nothing was charged twice, by the databases.
 */
export async function unnoticed(
  fleet: Fleet,
  done: (load: Load) => Promise<void>,
  options: LoadOptions = {},
): Promise<LoadFigures> {
  await using load = startLoad(fleet, options);
  await load.untilAnswered(100);
  await done(load);
  await load.untilAnswered(100);
  const figures = await load.stop();
  expect([figures.errors, figures.firstErrors]).toEqual([{}, []]);
  await nothingLost(fleet, figures);
  return figures;
}

/** Waits until every order is paid or declined, and compares the books with what callers were told. */
export async function nothingLost(fleet: Pick<Fleet, "books" | "effects">, figures: LoadFigures): Promise<void> {
  await vi.waitUntil(async () => (await fleet.effects()).pending === 0, settling);
  expect(complaintsOfLoad(figures, await fleet.books())).toEqual([]);
}
