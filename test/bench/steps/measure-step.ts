import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { mutate } from "../../mutants/mutant.ts";
import { cases } from "../cases.ts";
import type { ClientOrder } from "../clients/given.ts";
import type { WindowSaid } from "../closed-loop.ts";
import type { Order } from "../load/orders.ts";
import { startClient } from "../measure-client.ts";
import { CONNECTIONS, IN_FLIGHT, type Run, targetOf } from "../measure-server.ts";
import { measurePairs, summaryOf, type Window } from "../pairs.ts";
import { type PinnedProcess, startPinned } from "../pinned-process.ts";
import type { Pair } from "../result.ts";
import { type Place, startServer } from "../started-server.ts";
import type { Spread } from "../statistics.ts";
import type { Step } from "./steps.ts";

/** What a step brings: the code without it, against the code as it is. */
export interface StepResult {
  readonly id: string;
  readonly what: string;
  readonly case: string;
  /** Processor time of a call without it, of that with it. */
  readonly processor: Spread;
  /** Processor time that it saves a call, in microseconds. */
  readonly savedMicroseconds: Spread;
}

/** What steps are measured with: `copy` is a folder with the sources as they are, in which they are undone one by one. */
export type StepRun = Omit<Run, "reference"> & { readonly copy: string };

/** Undoes a step in the copy, measures that against the code as it is, in turns, and does it again. */
export async function measureStep(run: StepRun, step: Step): Promise<StepResult> {
  await using undone = await undo(run.copy, step);
  const { id, what, case: name = "full" } = step;
  const pairs = await (name === "client" ? pairsOfClients(run, undone.bench) : pairsOfServers(run, name, undone.bench));
  const { addedMicroseconds, processor } = summaryOf(pairs);
  return { id, what, case: name, processor, savedMicroseconds: addedMicroseconds };
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

async function pairsOfServers(run: StepRun, of: string, bench: URL): Promise<readonly Pair[]> {
  const the = cases.find(({ name }) => name === of);
  if (the === undefined || !("server" in the)) throw new Error(`There is no server ${of}.`);
  const caller = await run.material.callerWith(CONNECTIONS);
  await using load = await startPinned("load/main.ts", { core: run.otherCore, fromSource: true });
  await using asItIs = await startServer(run, the);
  await using undone = await startServer({ ...run, bench }, the);
  const windowOf = async (name: string, { port, pid }: { readonly port: number; readonly pid: number }) => {
    await load.ask({ open: name, caller, target: targetOf(the, port) } satisfies Order);
    return (ms: number) => load.ask<WindowSaid>({ closed: name, ms, server: pid } satisfies Order);
  };
  const windows = { reference: await windowOf("as it is", asItIs), measured: await windowOf("undone", undone) };
  return await measurePairs(run, windows);
}

async function pairsOfClients(run: StepRun, bench: URL): Promise<readonly Pair[]> {
  const place: Place = { ...run, serverCore: run.otherCore };
  await using server = await startServer(place, { name: "called", server: "bare", asks: [] });
  await using asItIs = await startClient(run, "connected", server);
  await using undone = await startClient({ ...run, bench }, "connected", server);
  const windowOf =
    (client: PinnedProcess): Window =>
    (ms) =>
      client.ask<WindowSaid>({ lanes: IN_FLIGHT, ms, server: server.pid } satisfies ClientOrder);
  return await measurePairs(run, { reference: windowOf(asItIs), measured: windowOf(undone) });
}
