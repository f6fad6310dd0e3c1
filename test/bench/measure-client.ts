import type { ClientCase } from "./cases.ts";
import { checkControl } from "./checked-control.ts";
import type { ClientGiven, ClientOrder } from "./clients/given.ts";
import type { WindowSaid } from "./closed-loop.ts";
import type { ControlSaid } from "./load/orders.ts";
import { BODY_BYTES, IN_FLIGHT, type Run } from "./measure-server.ts";
import { measurePairs, summaryOf, type Window } from "./pairs.ts";
import { type PinnedProcess, startPinned } from "./pinned-process.ts";
import { residentBytes } from "./processor-time.ts";
import type { CaseResult } from "./result.ts";
import { type Place, type StartedServer, startServer } from "./started-server.ts";

/** A client, and what it presents. */
type Program = Pick<ClientCase, "client" | "presents">;

/** The reference of clients. */
const nothing: Program = { client: "bare", presents: [] };

/** Starts a case's client, the reference of clients and a server that lets both in, and measures one client against the other. */
export async function measureClient(run: Run, the: ClientCase): Promise<CaseResult> {
  const control = await tryClient(run, the);
  checkControl(the.name, control);
  await using server = await startServer(
    { ...run, serverCore: run.otherCore },
    { name: "called", server: "bare", asks: [] },
  );
  await using reference = await startClient(run, nothing, server);
  await using measured = await startClient(run, the, server);
  const windowOf =
    (client: PinnedProcess): Window =>
    (ms) =>
      client.ask<WindowSaid>({ lanes: IN_FLIGHT, ms, server: server.pid } satisfies ClientOrder);
  const pairs = await measurePairs(run, { reference: windowOf(reference), measured: windowOf(measured) });
  return {
    name: the.name,
    what: the.what,
    by: the.by,
    side: "client",
    ...summaryOf(pairs),
    residentBytes: residentBytes(measured.pid),
    control,
    pairs,
  };
}

/** That what the client presents is what a server of ours asks for: it lets this one in, and not the reference. */
export async function tryClient(place: Place, the: Program): Promise<ControlSaid> {
  const asks = ["MTLS", ...the.presents] as const;
  await using server = await startServer(place, { name: "control", server: "protected", asks });
  const outcomeOf = async (program: Program) => {
    await using started = await startClient(place, program, server);
    try {
      await started.ask({ lanes: 1, ms: 10, server: server.pid } satisfies ClientOrder);
      return "let in";
    } catch (error) {
      const [status] = /status \d+/.exec(String(error)) ?? [];
      return status ?? String(error);
    }
  };
  return { wrong: { "no credentials": await outcomeOf(nothing) }, right: await outcomeOf(the) };
}

/** Starts a client of a server, and gives it its credentials. */
export async function startClient(
  place: Place,
  { client, presents }: Program,
  { port }: StartedServer,
): Promise<PinnedProcess> {
  const { serverCore: core, fromSource, bench } = place;
  const preload = ["heap-accounts.ts"];
  const started = await startPinned(`clients/${client}.ts`, { core, fromSource, bench, preload });
  const material = await place.material.callerWith(0);
  await started.ask({ material, port, bodyBytes: BODY_BYTES, presents } satisfies ClientGiven);
  return started;
}
