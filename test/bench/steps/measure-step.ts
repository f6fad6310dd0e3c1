import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { mutate } from "../../mutants/mutant.ts";
import { cases } from "../cases.ts";
import type { ClientOrder } from "../clients/given.ts";
import type { HeapSaid } from "../heap.ts";
import type { HeapOrder } from "../heap-accounts.ts";
import type { Order } from "../load/orders.ts";
import { startClient } from "../measure-client.ts";
import { CONNECTIONS, IN_FLIGHT, type Run, targetOf } from "../measure-server.ts";
import type { PlacingOrder } from "../orders/placing.ts";
import { measurePairs, summaryOf, type Window } from "../pairs.ts";
import { type PinnedProcess, startPinned } from "../pinned-process.ts";
import type { Pair } from "../result.ts";
import { type Place, type StartedServer, startServer } from "../started-server.ts";
import { type Spread, spreadOf } from "../statistics.ts";
import type { Step } from "./steps.ts";

/** The accounts of the heap are of so many windows, of which the middle one is taken; long, since they are of what comes before and after too. */
const HEAP_WINDOWS = 3;
const HEAP_WINDOW_MS = 2_000;
/** Orders take longer than calls, and wait for the disk: so many are placed at a time, in longer windows. */
const ORDERS_AT_A_TIME = 16;
const ORDERS_WINDOW_MS = 2_000;

/** What a step brings: the code without it, against the code as it is. */
export interface StepResult {
  readonly id: string;
  readonly what: string;
  readonly case: string;
  /** Processor time of a call without it, of that with it. */
  readonly processor: Spread;
  /** Processor time that it saves a call, in microseconds. */
  readonly savedMicroseconds: Spread;
  /** What one call does to the heap; nothing of orders, which are placed by services as they are. */
  readonly heap?: Sides<HeapSaid>;
}

/** Of the code as it is, and with the step undone. */
interface Sides<T> {
  readonly asItIs: T;
  readonly undone: T;
}

/** What steps are measured with: `copy` is a folder with the sources as they are, in which they are undone one by one. */
export type StepRun = Omit<Run, "reference"> & { readonly copy: string };

/** What two processes came to, by turns. */
interface Turns {
  readonly pairs: readonly Pair[];
  readonly heap?: Sides<HeapSaid>;
}

/** Undoes a step in the copy, measures that against the code as it is, in turns, and does it again. */
export async function measureStep(run: StepRun, step: Step): Promise<StepResult> {
  await using undone = await undo(run.copy, step);
  const { id, what, case: name = "full" } = step;
  const { pairs, ...heap } = await turnsOf(name, run, undone.bench);
  const { addedMicroseconds, processor } = summaryOf(pairs);
  return { id, what, case: name, processor, savedMicroseconds: addedMicroseconds, ...heap };
}

async function turnsOf(name: string, run: StepRun, bench: URL): Promise<Turns> {
  if (name === "client") return await turnsOfClients(run, bench);
  return name === "orders" ? await turnsOfOrders(run, bench) : await turnsOfServers(run, name, bench);
}

interface Undone extends AsyncDisposable {
  readonly bench: URL;
}

async function undo(copy: string, step: Step): Promise<Undone> {
  const before = new Map<string, string>();
  for (const edit of step.undo) {
    const path = join(copy, edit.file);
    const source = await readFile(path, "utf8");
    if (!before.has(path)) before.set(path, source);
    await writeFile(path, mutate(source, edit));
  }
  return {
    bench: pathToFileURL(join(copy, "test/bench/")),
    async [Symbol.asyncDispose]() {
      for (const [path, source] of before) await writeFile(path, source);
    },
  };
}

async function turnsOfServers(run: StepRun, of: string, bench: URL): Promise<Turns> {
  const the = cases.find(({ name }) => name === of);
  if (the === undefined || !("server" in the)) throw new Error(`There is no server ${of}.`);
  const caller = await run.material.callerWith(CONNECTIONS);
  await using load = await startPinned("load/main.ts", { core: run.otherCore, fromSource: true });
  await using asItIs = await startServer(run, the);
  await using undone = await startServer({ ...run, bench }, the);
  const measuredOf = async (name: string, server: StartedServer): Promise<Measured> => {
    await load.ask({ open: name, caller, target: targetOf(the, server.port) } satisfies Order);
    return { process: server, window: (ms) => load.ask({ closed: name, ms, server: server.pid } satisfies Order) };
  };
  return await turns(run, await measuredOf("as it is", asItIs), await measuredOf("undone", undone));
}

async function turnsOfClients(run: StepRun, bench: URL): Promise<Turns> {
  const the = cases.find(({ name }) => name === "client");
  if (the === undefined || !("client" in the)) throw new Error("There is no client.");
  const place: Place = { ...run, serverCore: run.otherCore };
  await using server = await startServer(place, { name: "called", server: "bare", asks: [] });
  await using asItIs = await startClient(run, the, server);
  await using undone = await startClient({ ...run, bench }, the, server);
  const measuredOf = (client: PinnedProcess): Measured => ({
    process: client,
    window: (ms) => client.ask({ lanes: IN_FLIGHT, ms, server: server.pid } satisfies ClientOrder),
  });
  return await turns(run, measuredOf(asItIs), measuredOf(undone));
}

/** A process that is measured, and how. */
interface Measured {
  readonly process: PinnedProcess;
  readonly window: Window;
}

async function turns(run: StepRun, asItIs: Measured, undone: Measured): Promise<Turns> {
  const pairs = await measurePairs(run, { reference: asItIs.window, measured: undone.window });
  // After that, since the accounts cost something themselves.
  const heaps: Sides<HeapSaid>[] = [];
  while (heaps.length < HEAP_WINDOWS) {
    heaps.push({ asItIs: await heapOf(asItIs), undone: await heapOf(undone) });
  }
  const middle = (of: (heap: Sides<HeapSaid>) => number) => spreadOf(heaps.map(of)).median;
  const side = (name: keyof Sides<unknown>) => ({
    allocated: middle((heap) => heap[name].allocated),
    survived: middle((heap) => heap[name].survived),
  });
  return { pairs, heap: { asItIs: side("asItIs"), undone: side("undone") } };
}

async function heapOf({ process, window }: Measured): Promise<HeapSaid> {
  await process.ask({ heap: "start" } satisfies HeapOrder);
  const { calls } = await window(HEAP_WINDOW_MS);
  const { allocated, survived } = await process.ask<HeapSaid>({ heap: "stop" } satisfies HeapOrder);
  return { allocated: allocated / calls, survived: survived / calls };
}

/** The services of the code as it is and those of the other, each with databases of its own; what is measured is order. */
async function turnsOfOrders(run: StepRun, bench: URL): Promise<Turns> {
  await using asItIs = await startPlacing();
  await using undone = await startPlacing(bench);
  const windowOf =
    (services: PinnedProcess): Window =>
    () =>
      services.ask({ lanes: ORDERS_AT_A_TIME, ms: ORDERS_WINDOW_MS } satisfies PlacingOrder);
  return { pairs: await measurePairs(run, { reference: windowOf(asItIs), measured: windowOf(undone) }) };
}

async function startPlacing(bench?: URL): Promise<PinnedProcess> {
  const placing = await startPinned("orders/placing.ts", { core: undefined, fromSource: true, bench });
  return {
    ...placing,
    async [Symbol.asyncDispose]() {
      await using killed = placing;
      await killed.ask({ end: true } satisfies PlacingOrder);
    },
  };
}
