/** A grpc-js client as it was, and what makes it zero-trust: the lines that end in `ours`. */
import { credentials, makeClientConstructor, type ServiceError, status } from "@grpc/grpc-js";
import { reasonOf } from "@zero-trust/auth"; // ours
import { type ApiKeyOptions, apiKey, connect } from "@zero-trust/auth/client"; // ours
import { identityFromDirectory, mutualTlsChannels } from "@zero-trust/mtls"; // ours
import { greeter } from "./greeter.ts";
import type { Files } from "./try-out.ts";

const Greeter = makeClientConstructor(greeter, "Greeter");
const serverId = "spiffe://production.internal/greeter";

/** Calls once, with an API key or without; gives what came of it. */
export async function greet(files: Files, target: string, key?: ApiKeyOptions["key"]): Promise<string> {
  const channels = mutualTlsChannels({ identity: identityFromDirectory(files.callerTls), target, serverId }); // ours
  const presented = key === undefined ? [] : [apiKey({ key })]; // ours
  const channelOverride = connect({ channels, credentials: presented }).channel(); // ours
  const client = new Greeter(target, credentials.createInsecure(), { channelOverride }); // ours
  const { promise, resolve } = Promise.withResolvers<string>();
  const deadline = Date.now() + 5_000;
  client["Greet"]?.({ greeting: "Hello" }, { deadline }, (error: ServiceError | null, answer: { text: string }) => {
    if (error === null) resolve(`let in: ${answer.text}`);
    else resolve(`refused ${status[error.code]} ${reasonOf(error)}`); // ours
  });
  return await promise.finally(() => channels.close());
}
