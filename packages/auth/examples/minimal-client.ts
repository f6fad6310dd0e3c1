/** A grpc-js client that shows all four credentials, one method each. */
import { credentials, makeClientConstructor, type ServiceError } from "@grpc/grpc-js";
import { apiKey, bearer, connect, hmac, type Presenter, type TokenSource } from "@zero-trust/auth/client";
import { identityFromDirectory, mutualTlsChannels } from "@zero-trust/mtls";
import { greeter } from "./minimal-server.ts";

export interface Secrets {
  readonly key: string;
  readonly tokens: TokenSource;
  readonly signing: { readonly keyId: string; readonly secret: string };
}

/** Calls each method; returns the client that the server saw. */
export async function callAll(folder: string, target: string, { key, tokens, signing }: Secrets): Promise<string[]> {
  const identity = identityFromDirectory(folder);
  const channels = mutualTlsChannels({ identity, target, serverId: "spiffe://production.internal/greeter" });
  const Greeter = makeClientConstructor(greeter, "Greeter");
  const call = (name: string, ...presenters: Presenter[]) => {
    const channelOverride = connect({ channels, credentials: presenters }).channel();
    const client = new Greeter(target, credentials.createInsecure(), { channelOverride });
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    client[name]?.({}, { deadline: Date.now() + 5_000 }, (error: ServiceError | null, answer: { hello: string }) =>
      error === null ? resolve(answer.hello) : reject(error),
    );
    return promise;
  };
  try {
    return [
      await call("ByCertificate"),
      await call("ByApiKey", apiKey({ key })),
      await call("ByToken", bearer({ tokens })),
      await call("BySignature", hmac(signing)),
    ];
  } finally {
    channels.close();
  }
}
