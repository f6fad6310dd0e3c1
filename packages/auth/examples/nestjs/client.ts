/** A Nest gRPC client as it was, and what makes it zero-trust: the lines that end in `ours`. */
import { type ServiceError, status } from "@grpc/grpc-js";
import { type ClientGrpc, ClientProxyFactory, Transport } from "@nestjs/microservices";
import { reasonOf } from "@zero-trust/auth"; // ours
import { type ApiKeyOptions, apiKey, connect } from "@zero-trust/auth/client"; // ours
import { identityFromDirectory, mutualTlsChannels } from "@zero-trust/mtls"; // ours
import { firstValueFrom, type Observable } from "rxjs";
import { packageDefinition } from "./greeter.ts";
import type { Files } from "./try-out.ts";

interface Greeter {
  greet(request: { greeting: string }): Observable<{ text: string }>;
}

const serverId = "spiffe://production.internal/greeter";

/** Calls once, with an API key or without; gives what came of it. */
export async function greet(files: Files, target: string, key?: ApiKeyOptions["key"]): Promise<string> {
  const channels = mutualTlsChannels({ identity: identityFromDirectory(files.callerTls), target, serverId }); // ours
  const credentials = key === undefined ? [] : [apiKey({ key })]; // ours
  const channelOptions = { channelOverride: connect({ channels, credentials }).channel() }; // ours
  const client: ClientGrpc = ClientProxyFactory.create({
    transport: Transport.GRPC,
    options: { url: target, package: "greeter.v1", packageDefinition, channelOptions },
  });
  try {
    const answer = await firstValueFrom(client.getService<Greeter>("Greeter").greet({ greeting: "Hello" }));
    return `let in: ${answer.text}`;
  } catch (error) {
    const { code } = error as ServiceError;
    return `refused ${status[code]} ${reasonOf(error as ServiceError)}`; // ours
  } finally {
    channels.close();
  }
}
