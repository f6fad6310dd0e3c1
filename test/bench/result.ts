import type { ControlSaid, TimedSaid } from "./load/orders.ts";
import type { Spread } from "./statistics.ts";

/** One side of a pair. */
export interface Side {
  readonly callsPerSecond: number;
  /** Of the server's processor, for a call. */
  readonly microseconds: number;
  /** How busy the load's own core was, of 1. */
  readonly loadBusy: number;
}

/** A window of the reference and one of the case, one right after the other. */
export interface Pair {
  readonly reference: Side;
  readonly measured: Side;
}

/** What a case came to. */
export interface CaseResult {
  readonly name: string;
  readonly what: string;
  /** What was refused before it was measured. */
  readonly control: ControlSaid;
  readonly pairs: readonly Pair[];
  /** Calls a second, of those of the reference. */
  readonly throughput: Spread;
  /** Processor time of a call, of that of the reference. */
  readonly processor: Spread;
  /** Processor time of a call beyond that of the reference, in microseconds. */
  readonly addedMicroseconds: Spread;
  readonly callsPerSecond: number;
  readonly microseconds: number;
  readonly referenceCallsPerSecond: number;
  readonly referenceMicroseconds: number;
  /** How many of the windows the load, and not the server, was the limit of. */
  readonly loadBoundWindows: number;
  /** At half of the calls a second that it served. */
  readonly halfLoad: TimedSaid;
  /** Of the server, after all that, bytes. */
  readonly residentBytes: number;
}

/** What a run came to. */
export interface BenchResult {
  readonly measuredAt: string;
  readonly node: string;
  readonly processor: string;
  readonly seed: number;
  readonly pairs: number;
  readonly windowMs: number;
  readonly connections: number;
  readonly inFlight: number;
  readonly isPinned: boolean;
  readonly cases: readonly CaseResult[];
}
