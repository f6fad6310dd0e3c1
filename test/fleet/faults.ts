import { setTimeout } from "node:timers/promises";
import { vi } from "vitest";
import type { StackService } from "../stack/stack.ts";
import { type Bystanders, startBystanders } from "./bystanders.ts";
import type { Fleet } from "./fleet.ts";
import { type Load, type LoadFigures, type Reached, startLoad } from "./load.ts";
import { nothingLost } from "./under-load.ts";

/** What can be broken: a fleet, or one of each. */
export type Breakable = Reached & Pick<Fleet, "books" | "effects"> & { readonly processes: readonly StackService[] };

/** Something that breaks, and is mended. */
export interface Fault<Broken> {
  readonly what: string;
  readonly strike: (broken: Broken) => Promise<unknown>;
  readonly mend: (broken: Broken) => Promise<unknown>;
  /** Whether those who sign nothing notice. */
  readonly othersNotice: boolean;
}

/** What it came to. Times are milliseconds. */
export interface FaultFigures {
  readonly what: string;
  /** What those who place orders, and who pay with signatures, were told while it was broken, by code; they asked again. */
  readonly told: Readonly<Record<string, number>>;
  /** How many of their calls were answered all the same. */
  readonly answered: number;
  /** Those who sign nothing. */
  readonly others: ReturnType<Bystanders["since"]>;
  /** From the mending until a payment was made, which is signed, and somebody was answered who signs nothing. */
  readonly backAfterMs: number;
  /** The most that a process had, in bytes; and how many more than before. */
  readonly peakBytes: number;
  readonly moreBytes: number;
  /** Whether every process is the one that it was. */
  readonly isSameProcesses: boolean;
}

const waiting = { timeout: 90_000, interval: 20 };

/** Breaks something under load for a time, mends it, and tells what came of it; nothing acknowledged is lost, and nothing charged twice. */
export async function underFault<Broken extends Breakable>(
  broken: Broken,
  fault: Fault<Broken>,
  { forMs, after }: { readonly forMs: number; readonly after: LoadFigures | undefined },
): Promise<{ readonly figures: FaultFigures; readonly all: LoadFigures }> {
  const { processes } = broken;
  const load = startLoad(broken, {
    orderCallers: 2,
    paymentCallers: 2,
    timeoutMs: 5_000,
    attemptTimeoutMs: 1_500,
    ...(after === undefined ? {} : { after }),
  });
  const bystanders = startBystanders(broken);
  let figures: FaultFigures;
  let all: LoadFigures;
  try {
    await load.untilAnswered(40);
    const before = await memoryOf(processes);
    const started = await startsOf(processes);
    load.since();
    bystanders.since();
    await fault.strike(broken);
    let during: ReturnType<Load["since"]>;
    let others: ReturnType<Bystanders["since"]>;
    try {
      await setTimeout(forMs);
    } finally {
      during = load.since();
      others = bystanders.since();
      await fault.mend(broken);
    }
    const mendedMs = performance.now();
    bystanders.since();
    const { payments } = await vi.waitUntil(() => broken.effects().catch(() => undefined), waiting);
    // Every payment is signed: by order, and by those who pay by themselves.
    await vi.waitUntil(async () => (await broken.effects()).payments > payments, waiting);
    await vi.waitUntil(() => {
      const { calls, failures } = bystanders.since();
      return calls > failures.length;
    }, waiting);
    const backAfterMs = Math.round(performance.now() - mendedMs);
    const peaks = await memoryOf(processes);
    const more = peaks.map(({ peak }, at) => peak - (before[at]?.now ?? 0));
    figures = {
      what: fault.what,
      told: during.errors,
      answered: during.calls - Object.values(during.errors).reduce((sum, count) => sum + count, 0),
      others,
      backAfterMs,
      peakBytes: Math.max(...peaks.map(({ peak }) => peak)),
      moreBytes: Math.max(...more),
      isSameProcesses: started === (await startsOf(processes)),
    };
  } finally {
    await bystanders.stop();
    all = await load.stop();
  }
  await nothingLost(broken, all);
  return { figures, all };
}

async function startsOf(processes: readonly StackService[]): Promise<string> {
  return (await Promise.all(processes.map((process) => process.startedAs()))).join();
}

async function memoryOf(processes: readonly StackService[]) {
  return await Promise.all(processes.map((process) => process.memory()));
}

/** A fleet as it is broken. */
export type BreakableFleet = Fleet & Breakable;

export function breakable(fleet: Fleet): BreakableFleet {
  return { ...fleet, processes: [...fleet.issuers, ...fleet.payments, ...fleet.orders] };
}

/** What breaks below and beside the services. */
export const faults: readonly Fault<BreakableFleet>[] = [
  {
    what: "Valkey is down, and back empty",
    strike: ({ valkey }) => valkey.stop(),
    mend: ({ valkey }) => valkey.start(),
    othersNotice: false,
  },
  {
    what: "Valkey does not answer",
    strike: ({ valkey }) => valkey.pause(),
    mend: ({ valkey }) => valkey.resume(),
    othersNotice: false,
  },
  {
    what: "Valkey is full",
    strike: ({ valkey }) => valkey.operate("CONFIG", "SET", "maxmemory", "1"),
    mend: ({ valkey }) => valkey.operate("CONFIG", "SET", "maxmemory", "0"),
    othersNotice: false,
  },
  {
    what: "Valkey is read-only: a replica of another",
    strike: ({ valkey }) => valkey.operate("REPLICAOF", "127.0.0.1", "1"),
    mend: ({ valkey }) => valkey.operate("REPLICAOF", "NO", "ONE"),
    othersNotice: false,
  },
  {
    what: "PostgreSQL crashes in the midst of transactions",
    strike: ({ postgres }) => postgres.stop(),
    mend: ({ postgres }) => postgres.start(),
    othersNotice: true,
  },
  {
    what: "PostgreSQL does not answer",
    strike: ({ postgres }) => postgres.pause(),
    mend: ({ postgres }) => postgres.resume(),
    othersNotice: true,
  },
  {
    what: "the issuer does not answer",
    strike: ({ issuer }) => issuer.pause(),
    mend: ({ issuer }) => issuer.resume(),
    othersNotice: false,
  },
];
