import { Server, type ServerUnaryCall, type sendUnaryData } from "@grpc/grpc-js";
import { Credential, definePolicy, identityOf } from "@zero-trust/auth";
import { apiKey, protect, wireBytes } from "@zero-trust/auth/server";
import { apiKeyFile, grantsFile } from "@zero-trust/auth/stores/file";
import { identityFromDirectory, mutualTlsServer } from "@zero-trust/mtls";
import { greeter } from "./greeter.ts";

const policies = [definePolicy(greeter, { Greet: [{ credentials: [Credential.API_KEY], scopes: ["greet"] }] })];
const credentials = [apiKey({ keys: apiKeyFile("api-keys.json"), audience: "https://greeter.production.internal" })];
const grants = grantsFile("grants.json");
const guard = protect({ trustDomain: "production.internal", policies, credentials, grants, onDecision: console.log });
const server = new Server({ interceptors: [guard] });
const greet = (call: ServerUnaryCall<unknown, unknown>, answer: sendUnaryData<unknown>) =>
  answer(null, { hello: identityOf(call.metadata).client });
server.addService(wireBytes(greeter), { Greet: greet });
await mutualTlsServer({ identity: identityFromDirectory("tls"), server }).listen({ host: "127.0.0.1", port: 50051 });
