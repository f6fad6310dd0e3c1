import { status } from "@grpc/grpc-js";
import { type CallOptions, type ClientMethodTarget, callDeadline } from "./outgoing-call.ts";
import { isRepeatable } from "./repeatable.ts";
import type { RetryBudget } from "./retry-budget.ts";
import { RpcError } from "./rpc-error.ts";

/** How long an attempt of a client's unary calls may take before there is another one. */
export interface AttemptLimits {
  /** Of the first one, in milliseconds; the next ones get twice as long each. */
  readonly timeoutMs: number;
  readonly budget: RetryBudget;
}

/**
 * Makes a call that may be repeated again when it got no answer in the time of an attempt: a server that has stopped, or a
 * network that loses everything, says nothing that could be tried again for. While there is time another attempt follows; the
 * last has all that is left, and so has the only one where none may follow.
 */
export async function untilAnswered<T>(
  target: ClientMethodTarget,
  options: CallOptions,
  attempt: (options: CallOptions) => Promise<T>,
): Promise<T> {
  const { attempts, method } = target;
  if (attempts === undefined || !isRepeatable(method)) return await attempt(options);
  const { budget } = attempts;
  const deadline = callDeadline(target, options);
  for (let timeoutMs = attempts.timeoutMs; ; timeoutMs *= 2) {
    const leftMs = Math.max(1, deadline - Date.now());
    // A whole first attempt is always kept for another one: what this one is sent to may be the one that has stopped.
    const isLast = leftMs < 2 * attempts.timeoutMs || !budget.isLeft;
    const mineMs = Math.min(timeoutMs, leftMs - attempts.timeoutMs);
    try {
      const answer = await attempt({ ...options, timeoutMs: isLast ? leftMs : mineMs });
      budget.earn();
      return answer;
    } catch (error) {
      if (isLast || !(error instanceof RpcError) || error.code !== status.DEADLINE_EXCEEDED) throw error;
      budget.spend();
    }
  }
}
