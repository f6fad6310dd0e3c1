import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import type { MutualTlsChannels } from "@zero-trust/mtls";

/** A unary call as bytes, with whatever metadata: what an attacker, or a client in another language, sends. */
export interface RawCall {
  /** `/package.Service/Method` */
  readonly path: string;
  readonly message: Uint8Array;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** Makes a call over mutual TLS; rejects with the ServiceError of grpc-js. */
export function rawCall({ channels, ...call }: RawCall & { readonly channels: MutualTlsChannels }): Promise<Buffer> {
  const options = { channelOverride: channels.channel() };
  return send(new Client(channels.target, credentials.createInsecure(), options), call);
}

/** Makes a call over TLS to a server of this CA, with whatever certificate, or with none. */
export async function carelessCall(
  target: string,
  shows: { readonly ca: string; readonly cert?: string; readonly key?: string },
  call: RawCall,
): Promise<Buffer> {
  const anyName = { checkServerIdentity: () => undefined };
  // Node deprecates TLS to a bare address, so there has to be a name, whichever.
  const options = { "grpc.ssl_target_name_override": "anybody.production.internal" };
  const [ca, key, cert] = [shows.ca, shows.key, shows.cert].map((pem) => (pem === undefined ? null : Buffer.from(pem)));
  const client = new Client(target, credentials.createSsl(ca, key, cert, anyName), options);
  return send(client, call).finally(() => client.close());
}

function send(client: Client, { path, message, metadata = {} }: RawCall): Promise<Buffer> {
  const headers = new Metadata();
  for (const [key, value] of Object.entries(metadata)) headers.set(key, value);
  const bytes = (value: Buffer) => value;
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const answered = (error: ServiceError | null, answer?: Buffer) => {
    if (error === null) resolve(answer ?? Buffer.alloc(0));
    else reject(error);
  };
  const deadline = Date.now() + 10_000;
  client.makeUnaryRequest(path, bytes, bytes, Buffer.from(message), headers, { deadline }, answered);
  return promise;
}
