// Ours, around the handlers of the reference: mutual TLS, `protect()` and `wireBytes()`, and the decision log in a file.
import { Server } from "@grpc/grpc-js";
import { wireBytes } from "@zero-trust/auth/server";
import { hardenedServerOptions, identityFromMemory, mutualTlsServer } from "@zero-trust/mtls";
import { given, listensOn } from "./given.ts";
import { guardOf } from "./guard.ts";
import { pingDefinition, pingImplementation } from "./ping-definition.ts";

const options = await given();
const { guard, ready } = guardOf(options);
const server = new Server({ ...hardenedServerOptions(), interceptors: [guard] });
server.addService(wireBytes(pingDefinition), pingImplementation);
const listener = mutualTlsServer({ identity: identityFromMemory(options.material.tls), server });
const port = await listener.listen({ host: "127.0.0.1", port: 0 });
await ready();
listensOn(port);
