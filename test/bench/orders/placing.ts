// The services as processes, and a client that has them place orders whenever the bench says so; what is measured is order.
import { startProcesses } from "../../stack/process-stack.ts";
import { unlimited } from "../../stack/unlimited.ts";
import { type Call, closedLoop } from "../closed-loop.ts";
import { pidOf, placed, storefrontOf } from "./placed.ts";

/** What the bench says: a window to place orders in, so many at a time, or that it is done. */
export type PlacingOrder = { readonly lanes: number; readonly ms: number } | { readonly end: true };

const stack = await startProcesses({ environmentOf: () => unlimited });
const { client } = storefrontOf(stack);
const [measured, other] = [await pidOf(stack, "order"), await pidOf(stack, "payment")];

async function place(): Promise<string | undefined> {
  try {
    await placed(client);
    return undefined;
  } catch (error) {
    return String(error);
  }
}

const call: Call = (_lane, done) => {
  void (async () => done(await place()))();
};

async function answered(order: PlacingOrder): Promise<object> {
  if (!("end" in order)) {
    return await closedLoop({ call, ...order, measured, other });
  }
  await stack[Symbol.asyncDispose]();
  return {};
}

process.on("message", (order: PlacingOrder) => {
  answered(order).then(
    (said) => process.send?.(said),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
// The services are not left behind when the bench is gone.
process.on("disconnect", () => void stack[Symbol.asyncDispose]().then(() => process.exit(1)));
process.send?.("started");
