import type { LimitStore } from "./limit-store.ts";
import { type MemoryLimits, memoryLimits } from "./memory-limits.ts";

/**
 * Counts calls in a store that the processes of a service share, and in this process besides: while the shared one cannot be asked,
 * what was counted here decides. So it does not become what every call depends on, and nobody is without a limit in its absence; of
 * several processes each allows as much as all of them together otherwise.
 *
 * @param shared - the store that is asked; only where it throws or rejects does the other one count
 * @param own - of this process. @defaultValue `memoryLimits()`
 * @example
 * ```ts
 * import { type LimitStore, type ProtectOptions, protect, sharedLimits } from "@zero-trust/auth/server";
 *
 * export const oneOfMany = (options: ProtectOptions, valkey: LimitStore) =>
 *   protect({ ...options, limits: { store: sharedLimits(valkey) } });
 * ```
 */
export function sharedLimits(shared: LimitStore, own: MemoryLimits = memoryLimits()): LimitStore {
  return {
    async take(taking) {
      // Always, so that an absence gives nobody a new bucket.
      const counted = own.take(taking);
      try {
        return await shared.take(taking);
      } catch {
        return counted;
      }
    },
  };
}
