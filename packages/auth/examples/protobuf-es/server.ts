/** A typed server, and what makes it zero-trust: the lines that end in `ours`. The policy is in greeter.proto. */
import { Server } from "@grpc/grpc-js";
import { identityOf, policyOf } from "@zero-trust/auth"; // ours
import { apiKey, protect } from "@zero-trust/auth/server"; // ours
import { apiKeyFile, grantsFile } from "@zero-trust/auth/stores/file"; // ours
import { identityFromDirectory, mutualTlsServer } from "@zero-trust/mtls"; // ours
import { addService } from "@zero-trust/rpc";
import { Greeter } from "./gen/greeter/v1/greeter_pb.ts";
import type { Files } from "./try-out.ts";

const trustDomain = "production.internal";
const audience = `https://greeter.${trustDomain}`;

export async function startServer(files: Files): Promise<{ port: number; close(): Promise<void> }> {
  const { serverTls, apiKeys, grants } = files;
  const credentials = [apiKey({ keys: apiKeyFile(apiKeys), audience })]; // ours
  const policies = [policyOf(Greeter)]; // ours
  const guard = protect({ trustDomain, policies, credentials, grants: grantsFile(grants), onDecision: console.warn }); // ours
  const server = new Server({ interceptors: [guard] }); // ours

  addService(server, Greeter, {
    greet: ({ greeting }, { metadata }) => ({ text: `${greeting}, ${identityOf(metadata).client}` }), // ours
  });
  const door = mutualTlsServer({ identity: identityFromDirectory(serverTls), server }); // ours
  const port = await door.listen({ host: "127.0.0.1", port: 0 });
  return { port, close: () => door.close() };
}
