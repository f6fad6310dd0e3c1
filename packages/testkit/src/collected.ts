import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

let collect: (() => void) | undefined;

/** Whether nothing holds on to something any more: whether it is gone once the whole heap has been collected. */
export async function isCollected(it: WeakRef<object>): Promise<boolean> {
  setFlagsFromString("--expose-gc");
  collect ??= runInNewContext("gc") as () => void;
  await new Promise(setImmediate); // what a WeakRef was asked for is held until its job ends
  collect();
  return it.deref() === undefined;
}
