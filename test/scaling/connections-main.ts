// A server as a process of its own, whose memory and time are those of its connections and streams.

import { Credential, definePolicy } from "@zero-trust/auth";
import { parseGrants } from "@zero-trust/auth/server";
import { identityFromMemory } from "@zero-trust/mtls";
import { createLog, serve, service } from "@zero-trust/server";
import { PingService, pingHandlers } from "@zero-trust/testkit";
import { answerParent, optionsOfParent } from "../attacks/asked-by-parent.ts";
import { collectedBytes } from "./collected.ts";
import type { ConnectionsOptions, ConnectionsSaid } from "./connections.ts";

const { tls, port, connections } = await optionsOfParent<ConnectionsOptions>();
const rules = [{ credentials: [Credential.MTLS], scopes: ["read:test"] }];
const policy = definePolicy(PingService, { ping: rules, pingMany: rules, pingSum: rules, pingEach: rules });
const grants = parseGrants({
  grants: [{ spiffeId: "spiffe://production.internal/caller", client: "caller", scopes: ["read:test"] }],
});
await serve({
  log: createLog({ name: "scaling", destination: { write: () => undefined } }),
  identity: identityFromMemory(tls),
  host: "127.0.0.1",
  port,
  protect: { trustDomain: "production.internal", grants: { current: () => grants }, credentials: [] },
  services: [service(PingService, pingHandlers(), { policy })],
  // One workload makes all of them here, which it could not anywhere else.
  limits: { maxConnections: connections, maxConnectionsPerPeer: connections },
});
/** What all answers took so far: collecting much garbage is no part of a handshake. */
let answering = 0;
answerParent((): ConnectionsSaid => {
  const asked = usedMicroseconds();
  collectedBytes();
  const said = { residentBytes: process.memoryUsage.rss(), microseconds: asked - answering };
  answering += usedMicroseconds() - asked;
  return said;
});

function usedMicroseconds(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
