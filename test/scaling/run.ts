/**
 * `pnpm test:scaling`: measures what one of each takes (a connection, a nonce, a key, a call, an order), and says where a load
 * that grows meets its first limit. `--write` keeps the figures and shows them in `docs/scaling.md`.
 */
import { parseArgs } from "node:util";
import { findValkey } from "@zero-trust/testkit/servers";
import { measure } from "./measure.ts";
import { firstLimit, limitsOfFleet, limitsOfOne } from "./model.ts";
import { writeMeasured } from "./page.ts";

const { values } = parseArgs({ options: { write: { type: "boolean", default: false } } });
if (process.platform !== "linux" || findValkey() === undefined) {
  console.error(
    "It reads processor time from Linux's /proc, and needs a Valkey or Redis server: bash test/fleet/install-servers.sh",
  );
  process.exit(1);
}
const constants = await measure((now) => console.log(`${now} …`));
console.log(JSON.stringify(constants, null, 2));
for (const [name, limits] of Object.entries({ one: limitsOfOne(constants), fleet: limitsOfFleet(constants) })) {
  const { limit, factor } = firstLimit(limits);
  console.log(`${name}: the first limit is ${limit.what}, at ${factor.toPrecision(2)} times the base`);
}
if (values.write) writeMeasured(constants);
process.exit();
