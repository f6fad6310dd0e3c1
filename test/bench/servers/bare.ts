// The reference: grpc-js over mutual TLS as its documentation shows it, and nothing else.
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { bind } from "./bind.ts";
import { given, listensOn } from "./given.ts";
import { pingDefinition, pingImplementation } from "./ping-definition.ts";

const { material } = await given();
const { cert, key, ca } = material.tls;
const server = new Server();
server.addService(pingDefinition, pingImplementation);
const pair = { cert_chain: Buffer.from(cert), private_key: Buffer.from(key) };
listensOn(await bind(server, ServerCredentials.createSsl(Buffer.from(ca), [pair], true)));
