// Ours, around the handlers of the reference: mutual TLS, `protect()` and `wireBytes()`, and the decision log in a file.
import { Server } from "@grpc/grpc-js";
import { protect, wireBytes } from "@zero-trust/auth/server";
import { hardenedServerOptions, identityFromMemory, mutualTlsServer } from "@zero-trust/mtls";
import { createLog, decisionLog } from "@zero-trust/server";
import { given, listensOn } from "./given.ts";
import { pingDefinition, pingImplementation } from "./ping-definition.ts";
import { verifiers } from "./verifiers.ts";

const options = await given();
const { protect: protection, policy, ready } = verifiers(options);
const guard = protect({
  ...protection,
  policies: [policy],
  // To standard output, as services do it; the bench makes that a file.
  onDecision: decisionLog(createLog({ name: "ping" })),
});
const server = new Server({ ...hardenedServerOptions(), interceptors: [guard] });
server.addService(wireBytes(pingDefinition), pingImplementation);
const listener = mutualTlsServer({ identity: identityFromMemory(options.material.tls), server });
const port = await listener.listen({ host: "127.0.0.1", port: 0 });
await ready();
listensOn(port);
