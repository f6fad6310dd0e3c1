/**
 * `pnpm bench:orders`: how many orders a second one process of each service places and pays, each on the disk before its caller hears
 * of it, and what they are busy with meanwhile. `--quick` places fewer; `--write` keeps the figures and shows them in `docs/performance.md`.
 */
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { measureOrders } from "./measure-orders.ts";
import { ordersPart } from "./page.ts";

const { values } = parseArgs({
  options: { quick: { type: "boolean", default: false }, write: { type: "boolean", default: false } },
});
if (process.platform !== "linux") {
  console.error("It reads processor time from Linux's /proc.");
  process.exit(1);
}
const measured = await measureOrders(values.quick ? 200 : 2_000, (now) => console.log(now));
const result = {
  measuredAt: new Date().toISOString(),
  node: process.version,
  processor: cpus()[0]?.model ?? "an unknown processor",
  cores: cpus().length,
  ...measured,
};
console.log(JSON.stringify(result, null, 2));
if (values.write) ordersPart.write(result);
process.exit();
