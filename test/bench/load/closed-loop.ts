import { setTimeout } from "node:timers/promises";
import { processorMicroseconds } from "../processor-time.ts";
import type { CalledTarget } from "./called-target.ts";
import type { WindowSaid } from "./orders.ts";

/** Calls go on for this long before a window begins, so that it sees none that is alone, in milliseconds. */
const RUN_IN_MS = 50;

/** A window: as many calls in flight as the target says, each followed by the next over its connection. */
export async function closedLoop(called: CalledTarget, ms: number, serverPid: number): Promise<WindowSaid> {
  const { connections, inFlight } = called.target;
  let calls = 0;
  let isOver = false;
  let fault: string | undefined;
  const chain = (connection: number) =>
    new Promise<void>((resolve) => {
      const next = () => {
        called.call(connection, (wrong) => {
          calls += 1;
          fault ??= wrong;
          if (isOver || fault !== undefined) resolve();
          else next();
        });
      };
      next();
    });
  const chains = Array.from({ length: inFlight }, (_, index) => chain(index % connections));
  const look = () => ({
    calls,
    at: performance.now(),
    server: processorMicroseconds(serverPid),
    load: processorMicroseconds(process.pid),
  });
  await setTimeout(RUN_IN_MS);
  const before = look();
  await setTimeout(ms);
  const after = look();
  isOver = true;
  await Promise.all(chains);
  if (fault !== undefined) throw new Error(`A call failed: ${fault}`);
  return {
    calls: after.calls - before.calls,
    ms: after.at - before.at,
    serverMicroseconds: after.server - before.server,
    loadMicroseconds: after.load - before.load,
  };
}
