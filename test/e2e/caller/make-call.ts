import { type ChannelInterface, Client, credentials, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { reasonOf } from "@zero-trust/auth";
import { identityFromDirectory, mutualTlsChannels } from "@zero-trust/mtls";
import type { CallAnswer, CallRequest } from "./protocol.ts";

/** Where things are on the network of the containers. */
export interface Surroundings {
  /** The folder of a workload's certificate, key and CA. */
  readonly tlsFolder: (workload: string) => string;
  /** The trusted roots, PEM. */
  readonly ca: string;
  /** The `host:port` of a service. */
  readonly address: (service: string) => string;
  readonly spiffeId: (workload: string) => string;
}

const timeoutMs = 30_000;
const asIs = (bytes: Buffer) => bytes;

/** Makes one call over a connection of its own, whatever its kind: to HTTP/2 they are all alike. */
export async function makeCall(request: CallRequest, surroundings: Surroundings): Promise<CallAnswer> {
  const headers = new Metadata();
  for (const [key, value] of Object.entries(request.metadata)) headers.set(key, value);
  const client =
    request.as === undefined ? withoutCertificate(request, surroundings) : as(request.as, request, surroundings);
  const stream = client.makeBidiStreamRequest(request.path, asIs, asIs, headers, { deadline: Date.now() + timeoutMs });
  const messages: string[] = [];
  const { promise, resolve } = Promise.withResolvers<CallAnswer>();
  stream.on("data", (message: Buffer) => messages.push(message.toString("base64")));
  stream.on("error", (error: ServiceError) => {
    const { code, details, metadata } = error;
    resolve({ code: status[code], reason: reasonOf({ metadata }), details, messages });
  });
  stream.on("end", () => resolve({ code: "OK", messages }));
  for (const message of request.messages) stream.write(Buffer.from(message, "base64"));
  stream.end();
  return await promise.finally(() => client.close());
}

function as(workload: string, { to }: CallRequest, { tlsFolder, address, spiffeId }: Surroundings): Client {
  const identity = identityFromDirectory(tlsFolder(workload));
  const channels = mutualTlsChannels({ identity, target: address(to), serverId: spiffeId(to) });
  return new ClosingClient(channels.target, channels.channel(), () => channels.close());
}

/** TLS as anybody does it, who trusts our CA and has nothing to show. */
function withoutCertificate({ to }: CallRequest, { ca, address }: Surroundings): Client {
  return new Client(address(to), credentials.createSsl(Buffer.from(ca)));
}

class ClosingClient extends Client {
  readonly #close: () => void;

  constructor(target: string, channelOverride: ChannelInterface, close: () => void) {
    super(target, credentials.createInsecure(), { channelOverride });
    this.#close = close;
  }

  override close(): void {
    super.close();
    this.#close();
  }
}
