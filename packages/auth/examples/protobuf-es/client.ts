/** A typed client, and what makes it zero-trust: the lines that end in `ours`. */
import { status } from "@grpc/grpc-js";
import { reasonOf } from "@zero-trust/auth"; // ours
import { type ApiKeyOptions, apiKey, connect } from "@zero-trust/auth/client"; // ours
import { identityFromDirectory, mutualTlsChannels } from "@zero-trust/mtls"; // ours
import { createClient, RpcError } from "@zero-trust/rpc";
import { Greeter } from "./gen/greeter/v1/greeter_pb.ts";
import type { Files } from "./try-out.ts";

const serverId = "spiffe://production.internal/greeter";

/** Calls once, with an API key or without; gives what came of it. */
export async function greet(files: Files, target: string, key?: ApiKeyOptions["key"]): Promise<string> {
  const channels = mutualTlsChannels({ identity: identityFromDirectory(files.callerTls), target, serverId }); // ours
  const credentials = key === undefined ? [] : [apiKey({ key })]; // ours
  const client = createClient(Greeter, connect({ channels, credentials }), { timeoutMs: 5_000 }); // ours
  try {
    return `let in: ${(await client.greet({ greeting: "Hello" })).text}`;
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    return `refused ${status[error.code]} ${reasonOf(error)}`; // ours
  } finally {
    channels.close();
  }
}
