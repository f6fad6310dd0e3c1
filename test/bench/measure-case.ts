import type { Random } from "../kills/seeded-random.ts";
import type { Case } from "./cases.ts";
import { checkControl } from "./checked-control.ts";
import type { ControlSaid, Order, Target, TimedSaid, WindowSaid } from "./load/orders.ts";
import { startPinned } from "./pinned-process.ts";
import { residentBytes } from "./processor-time.ts";
import type { CaseResult, Pair, Side } from "./result.ts";
import { type Place, startServer } from "./started-server.ts";
import { spreadOf } from "./statistics.ts";

/** How many connections carry the calls, and how many calls are under way at any time. */
export const CONNECTIONS = 4;
export const IN_FLIGHT = 64;
const BODY_BYTES = 200;
const TOKENS = 16;
/** A load that is busier than this is not waiting for the server. */
const LOAD_BOUND = 0.95;

/** How long and how often it is measured. */
export interface Effort {
  readonly pairs: number;
  readonly windowMs: number;
  readonly warmUpMs: number;
  readonly halfLoadMs: number;
}

/** What the cases of a run have in common. */
export interface Run extends Effort, Place {
  readonly random: Random;
  readonly loadCore: number | undefined;
}

/** Starts the reference and a case's server, and measures one against the other. */
export async function measureCase(run: Run, the: Case): Promise<CaseResult> {
  const caller = await run.material.callerWith(the.tokens ?? TOKENS);
  await using load = await startPinned("load/main.ts", { core: run.loadCore });
  const tell = <T>(order: Order) => load.ask<T>(order);
  await using reference = await startServer(run, { name: "bare", server: "bare", asks: [] });
  await using measured = await startServer(run, the);
  const { port } = reference;
  await tell({ open: "reference", caller, target: { ...targetOf(the, port), presents: [], plaintext: false } });
  await tell({ open: "measured", caller, target: targetOf(the, measured.port) });
  const control = await tell<ControlSaid>({ control: "measured" });
  checkControl(the.name, control);

  const window = async (of: "reference" | "measured", ms: number): Promise<Side> => {
    const server = of === "reference" ? reference.pid : measured.pid;
    return sideOf(await tell<WindowSaid>({ closed: of, ms, server }));
  };
  await window("reference", run.warmUpMs);
  await window("measured", run.warmUpMs);
  const pairs: Pair[] = [];
  for (let pair = 0; pair < run.pairs; pair += 1) {
    if (run.random(2) === 0) {
      const first = await window("reference", run.windowMs);
      pairs.push({ reference: first, measured: await window("measured", run.windowMs) });
    } else {
      const first = await window("measured", run.windowMs);
      pairs.push({ reference: await window("reference", run.windowMs), measured: first });
    }
  }
  const callsPerSecond = spreadOf(pairs.map((pair) => pair.measured.callsPerSecond)).median;
  const perSecond = callsPerSecond / 2;
  const halfLoad = await tell<TimedSaid>({
    timed: "measured",
    ms: run.halfLoadMs,
    perSecond,
    seed: run.random(2 ** 31),
  });
  return {
    name: the.name,
    what: the.what,
    control,
    pairs,
    throughput: spreadOf(pairs.map((pair) => pair.measured.callsPerSecond / pair.reference.callsPerSecond)),
    processor: spreadOf(pairs.map((pair) => pair.measured.microseconds / pair.reference.microseconds)),
    addedMicroseconds: spreadOf(pairs.map((pair) => pair.measured.microseconds - pair.reference.microseconds)),
    callsPerSecond,
    microseconds: spreadOf(pairs.map((pair) => pair.measured.microseconds)).median,
    referenceCallsPerSecond: spreadOf(pairs.map((pair) => pair.reference.callsPerSecond)).median,
    referenceMicroseconds: spreadOf(pairs.map((pair) => pair.reference.microseconds)).median,
    loadBoundWindows: pairs
      .flatMap((pair) => [pair.reference, pair.measured])
      .filter((side) => side.loadBusy > LOAD_BOUND).length,
    halfLoad,
    residentBytes: residentBytes(measured.pid),
  };
}

/** How a case's server is called. */
export function targetOf(the: Case, port: number): Target {
  return {
    port,
    plaintext: the.plaintext === true,
    method: the.method ?? "ping",
    bodyBytes: the.bodyBytes ?? BODY_BYTES,
    presents: the.asks,
    connections: CONNECTIONS,
    inFlight: IN_FLIGHT,
  };
}

function sideOf({ calls, ms, serverMicroseconds, loadMicroseconds }: WindowSaid): Side {
  return {
    callsPerSecond: (calls / ms) * 1_000,
    microseconds: serverMicroseconds / calls,
    loadBusy: loadMicroseconds / (ms * 1_000),
  };
}
