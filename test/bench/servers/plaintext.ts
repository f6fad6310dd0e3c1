// grpc-js without TLS: what a network costs that is trusted.
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { bind } from "./bind.ts";
import { given, listensOn } from "./given.ts";
import { pingDefinition, pingImplementation } from "./ping-definition.ts";

await given();
const server = new Server();
server.addService(pingDefinition, pingImplementation);
listensOn(await bind(server, ServerCredentials.createInsecure()));
