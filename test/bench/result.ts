import type { ControlSaid, TimedSaid } from "./load/orders.ts";
import type { Share } from "./profile.ts";
import type { Spread } from "./statistics.ts";

/** One window of a pair. */
export interface Side {
  readonly callsPerSecond: number;
  /** Processor time of what is measured, for a call. */
  readonly microseconds: number;
  /** How busy the process at the other end was, of 1. */
  readonly otherBusy: number;
  /** For how much of the window what is measured waited while something else had its processor, of 1. */
  readonly waited: number;
}

/** A window of the reference and one of the case, one right after the other. */
export interface Pair {
  readonly reference: Side;
  readonly measured: Side;
}

/** What the pairs of a case come to. */
export interface Summary {
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
  /** How many windows the other end was the limit of. */
  readonly boundWindows: number;
  /** How many windows something else on the machine took part in. */
  readonly disturbedWindows: number;
}

/** What a case came to. */
export interface CaseResult extends Summary {
  readonly name: string;
  readonly what: string;
  /** Whose code decides about the call, or makes it. */
  readonly by: "us" | "others";
  readonly side: "server" | "client";
  /** What was refused before it was measured. */
  readonly control: ControlSaid;
  readonly pairs: readonly Pair[];
  /** Of a server, at half of the calls a second that it served. */
  readonly halfLoad?: TimedSaid;
  /** Of a server: whose code had the processor, as its profile says. */
  readonly shares?: readonly Share[];
  /** After all that, bytes. */
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
