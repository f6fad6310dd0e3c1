/**
 * Every attempt that fails costs a token, every call that succeeds earns a tenth; nothing is tried again while half of the
 * tokens are gone. So retries add 10 % to the load of servers that are in trouble, and not twice as much again. A server
 * that dies takes as many calls with it as a connection carries, a hundred, and those must find tokens (gRFC A6).
 */
export const retryThrottling = { maxTokens: 250, tokenRatio: 0.1 } as const;

/** What a client may spend on attempts that got no answer, by the same rule as grpc-js has for those that failed. */
export class RetryBudget {
  #tokens: number = retryThrottling.maxTokens;

  /** Whether there may be another attempt. */
  get isLeft(): boolean {
    return this.#tokens > retryThrottling.maxTokens / 2;
  }

  spend(): void {
    this.#tokens = Math.max(this.#tokens - 1, 0);
  }

  earn(): void {
    this.#tokens = Math.min(this.#tokens + retryThrottling.tokenRatio, retryThrottling.maxTokens);
  }
}
