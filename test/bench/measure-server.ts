import type { Random } from "../kills/seeded-random.ts";
import type { ServerCase } from "./cases.ts";
import { checkControl } from "./checked-control.ts";
import type { WindowSaid } from "./closed-loop.ts";
import type { ControlSaid, Order, Target, TimedSaid } from "./load/orders.ts";
import { type Effort, measurePairs, summaryOf, type Window } from "./pairs.ts";
import { startPinned } from "./pinned-process.ts";
import { residentBytes } from "./processor-time.ts";
import { type Profile, sharesOf } from "./profile.ts";
import type { ProfilerOrder } from "./profiler.ts";
import type { CaseResult } from "./result.ts";
import { type Place, type StartedServer, startServer } from "./started-server.ts";

/** How many connections carry the calls, and how many calls are under way at any time. */
export const CONNECTIONS = 4;
export const IN_FLIGHT = 64;
export const BODY_BYTES = 200;

/** What the cases of a run have in common. */
export interface Run extends Effort, Place {
  /** One for all cases, so that it stays hot. */
  readonly reference: StartedServer;
  readonly random: Random;
  readonly otherCore: number | undefined;
}

/** Starts a case's server and the load, and measures the server against the reference. */
export async function measureServer(run: Run, the: ServerCase): Promise<CaseResult> {
  const caller = await run.material.callerWith(the.tokens ?? CONNECTIONS);
  await using load = await startPinned("load/main.ts", { core: run.otherCore, fromSource: run.fromSource });
  const tell = <T>(order: Order) => load.ask<T>(order);
  await using measured = await startServer(run, the);
  const { port, pid } = run.reference;
  await tell({ open: "reference", caller, target: { ...targetOf(the, port), presents: [], plaintext: false } });
  await tell({ open: "measured", caller, target: targetOf(the, measured.port) });
  const control = await tell<ControlSaid>({ control: "measured" });
  checkControl(the.name, control);

  const windowOf =
    (name: "reference" | "measured", server: number): Window =>
    (ms) =>
      tell<WindowSaid>({ closed: name, ms, server });
  const pairs = await measurePairs(run, {
    reference: windowOf("reference", pid),
    measured: windowOf("measured", measured.pid),
  });
  const summary = summaryOf(pairs);
  const perSecond = summary.callsPerSecond / 2;
  const seed = run.random(2 ** 31);
  const halfLoad = await tell<TimedSaid>({ timed: "measured", ms: run.halfLoadMs, perSecond, seed });
  // At the end, since a profile costs something itself.
  await measured.ask({ profile: "start" } satisfies ProfilerOrder);
  const time = await windowOf("measured", measured.pid)(run.windowMs);
  const shares = sharesOf(await measured.ask<Profile>({ profile: "stop" } satisfies ProfilerOrder), time);
  return {
    name: the.name,
    what: the.what,
    by: the.by,
    side: "server",
    ...summary,
    halfLoad,
    shares,
    residentBytes: residentBytes(measured.pid),
    control,
    pairs,
  };
}

/** How a case's server is called. */
export function targetOf(the: ServerCase, port: number): Target {
  return {
    port,
    plaintext: the.plaintext === true,
    method: the.method ?? "ping",
    bodyBytes: the.bodyBytes ?? BODY_BYTES,
    presents: the.unread ?? the.asks,
    unread: the.unread !== undefined,
    connections: CONNECTIONS,
    inFlight: IN_FLIGHT,
  };
}
