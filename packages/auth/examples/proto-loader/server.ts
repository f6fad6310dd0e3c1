/** A grpc-js server as it was, and what makes it zero-trust: the lines that end in `ours`. */
import { Server, type ServerUnaryCall, type sendUnaryData } from "@grpc/grpc-js";
import { Credential, definePolicy, identityOf } from "@zero-trust/auth"; // ours
import { apiKey, protect } from "@zero-trust/auth/server"; // ours
import { apiKeyFile, grantsFile } from "@zero-trust/auth/stores/file"; // ours
import { identityFromDirectory, mutualTlsServer } from "@zero-trust/mtls"; // ours
import { greeter } from "./greeter.ts";
import type { Files } from "./try-out.ts";

const trustDomain = "production.internal";
const audience = `https://greeter.${trustDomain}`;

export async function startServer(files: Files): Promise<{ port: number; close(): Promise<void> }> {
  const { serverTls, apiKeys, grants } = files;
  const policies = [definePolicy(greeter, { Greet: [{ credentials: [Credential.API_KEY], scopes: ["greet"] }] })]; // ours
  const credentials = [apiKey({ keys: apiKeyFile(apiKeys), audience })]; // ours
  const guard = protect({ trustDomain, policies, credentials, grants: grantsFile(grants), onDecision: console.warn }); // ours
  const server = new Server({ interceptors: [guard] }); // ours

  server.addService(greeter, {
    Greet(call: ServerUnaryCall<{ greeting: string }, { text: string }>, answer: sendUnaryData<{ text: string }>) {
      answer(null, { text: `${call.request.greeting}, ${identityOf(call.metadata).client}` }); // ours
    },
  });
  const door = mutualTlsServer({ identity: identityFromDirectory(serverTls), server }); // ours
  const port = await door.listen({ host: "127.0.0.1", port: 0 });
  return { port, close: () => door.close() };
}
