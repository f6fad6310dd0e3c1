// Ours, as a service of this repository is served: `serve()` with what it adds (limits of calls, validation, typed handlers).
import { identityFromMemory } from "@zero-trust/mtls";
import { createLog, serve, service } from "@zero-trust/server";
import { PingService, pingHandlers } from "@zero-trust/testkit";
import { given, listensOn } from "./given.ts";
import { verifiers } from "./verifiers.ts";

const options = await given();
const { protect, policy, ready } = verifiers(options);
const { port } = await serve({
  log: createLog({ name: "ping" }),
  identity: identityFromMemory(options.material.tls),
  host: "127.0.0.1",
  port: 0,
  protect,
  services: [service(PingService, pingHandlers(), { policy })],
});
await ready();
listensOn(port);
