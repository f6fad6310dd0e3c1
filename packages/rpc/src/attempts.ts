import { type Metadata, status } from "@grpc/grpc-js";
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
 *
 * An answer that breaks off after its headers is made good once: to grpc-js such a call is past retries (gRFC A6), since
 * a stream's caller may have had a part of it, but of a unary call nobody has seen anything.
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
  let mayBreakOff = true;
  for (let timeoutMs = attempts.timeoutMs; ; timeoutMs *= 2) {
    const leftMs = Math.max(1, deadline - Date.now());
    // A whole first attempt is always kept for another one: what this one is sent to may be the one that has stopped.
    const isLast = leftMs < 2 * attempts.timeoutMs || !budget.isLeft;
    const mineMs = Math.min(timeoutMs, leftMs - attempts.timeoutMs);
    let hasBegun = false;
    const onHeaders = (headers: Metadata): void => {
      hasBegun = true;
      options.onHeaders?.(headers);
    };
    try {
      const answer = await attempt({ ...options, onHeaders, timeoutMs: isLast ? leftMs : mineMs });
      budget.earn();
      return answer;
    } catch (error) {
      const missing = whatIsMissing(error, hasBegun);
      if (isLast || missing === undefined || (missing === "the rest" && !mayBreakOff)) throw error;
      if (missing === "the rest") mayBreakOff = false;
      budget.spend();
    }
  }
}

/** What has not arrived of an answer that another attempt may bring. */
function whatIsMissing(error: unknown, hasBegun: boolean): "all of it" | "the rest" | undefined {
  if (!(error instanceof RpcError)) return undefined;
  if (error.code === status.DEADLINE_EXCEEDED) return "all of it";
  return hasBegun && error.code === status.UNAVAILABLE ? "the rest" : undefined;
}
