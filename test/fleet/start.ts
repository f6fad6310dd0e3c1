import { findValkey } from "@zero-trust/testkit/servers";
import type { Fleet, FleetOptions } from "./fleet.ts";

/** Whether there can be a fleet here: it takes a Valkey server of this machine. */
export const canStartFleet: boolean = findValkey() !== undefined;
if (!canStartFleet)
  console.warn(
    "The tests of the fleet are passed over: there is no valkey-server and no redis-server. Debian's is brought by: bash test/fleet/install-servers.sh",
  );

/** Makes a deployment and starts its fleet, as processes of this machine. */
export async function startFleet(options?: FleetOptions): Promise<Fleet> {
  const { startProcessFleet } = await import("./process-fleet.ts");
  return await startProcessFleet(options);
}
