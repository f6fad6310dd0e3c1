import { status } from "@grpc/grpc-js";
import { RpcError } from "@zero-trust/rpc";

/** Counts calls, and what became of them. */
export class CountedCalls {
  /** What went wrong, each a sentence: when, which call, with which status. */
  readonly failures: string[] = [];
  /** How long each call took that ended well, in milliseconds. */
  readonly tookMs: number[] = [];
  /** Streams that their server ended, and that were opened again. */
  reopened = 0;

  /** Makes a call and counts it; gives what came of it, undefined where it failed. */
  async count<T>(what: string, call: () => Promise<T>): Promise<T | undefined> {
    const startMs = performance.now();
    try {
      const answer = await call();
      this.tookMs.push(performance.now() - startMs);
      return answer;
    } catch (error) {
      const tookMs = Math.round(performance.now() - startMs);
      this.failures.push(`${new Date().toISOString()}: ${what} after ${tookMs} ms: ${sentenceOf(error)}`);
      return undefined;
    }
  }
}

/** Median, 99th percentile and the longest of some times, rounded to whole milliseconds. */
export function quantilesOf(tookMs: readonly number[]): Readonly<Record<"p50" | "p99" | "max", number>> {
  const sorted = tookMs.toSorted((one, other) => one - other);
  const quantile = (part: number) => Math.round(sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? 0);
  return { p50: quantile(0.5), p99: quantile(0.99), max: quantile(1) };
}

function sentenceOf(error: unknown): string {
  if (error instanceof RpcError) return `${status[error.code]} ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}
