import { vi } from "vitest";

/** Until the condition holds, for at most 15 s; a loaded machine takes longer than one would think. */
export function until(condition: () => boolean | Promise<boolean>): Promise<unknown> {
  return vi.waitUntil(condition, { timeout: 15_000, interval: 5 });
}
