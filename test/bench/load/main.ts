// The load, as a process of its own on a core of its own, so that it takes nothing from what is measured.

import { closedLoop } from "../closed-loop.ts";
import type { CallerMaterial } from "../material.ts";
import { type CalledTarget, openTarget } from "./called-target.ts";
import { control } from "./control.ts";
import type { Order } from "./orders.ts";
import { timed } from "./timed.ts";

const targets = new Map<string, { readonly called: CalledTarget; readonly caller: CallerMaterial }>();

function opened(name: string): { readonly called: CalledTarget; readonly caller: CallerMaterial } {
  const found = targets.get(name);
  if (found === undefined) throw new Error(`${name} is not open.`);
  return found;
}

async function obey(order: Order): Promise<object> {
  if ("open" in order) {
    targets.set(order.open, { called: await openTarget(order.target, order.caller), caller: order.caller });
    return {};
  }
  if ("control" in order) {
    const { called, caller } = opened(order.control);
    return await control(called, caller);
  }
  if ("closed" in order) {
    const { call, target } = opened(order.closed).called;
    const { ms, server: measured } = order;
    return await closedLoop({ call, lanes: target.inFlight, ms, measured, other: process.pid });
  }
  if ("timed" in order) return await timed(opened(order.timed).called, order);
  opened(order.close).called.close();
  targets.delete(order.close);
  return {};
}

process.on("disconnect", () => process.exit(1));
process.on("message", (order: Order) => {
  obey(order).then(
    (said) => process.send?.(said),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
process.send?.("ready");
