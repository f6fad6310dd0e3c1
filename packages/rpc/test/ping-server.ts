import { type ClientHttp2Session, connect, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http2";
import {
  Channel,
  type ChannelOptions,
  credentials,
  Client as GrpcClient,
  type Metadata,
  Server,
  ServerCredentials,
  type ServerOptions,
  type ServiceError,
} from "@grpc/grpc-js";
import { createCa, type IssuedCertificate, PingService, pingHandlers } from "@zero-trust/testkit";
import { addService, type Client, createClient, type Handlers } from "../src/index.ts";

/** A ping service over mutual TLS, with clients on it. */
export interface PingServer extends AsyncDisposable {
  readonly port: number;
  readonly certificate: IssuedCertificate;
  readonly channel: Channel;
  readonly client: Client<typeof PingService>;
  /** Sends and receives bytes as they are. */
  readonly raw: GrpcClient;
  /** What handlers threw that callers may not see. */
  readonly errors: unknown[];
  /** Adds a method as grpc-js takes it. */
  readonly register: Server["register"];
  /** Cuts all connections. */
  readonly forceShutdown: () => void;
}

/** What `startPing` can be told. */
export interface PingServerOptions {
  readonly server?: ServerOptions;
  readonly channel?: ChannelOptions;
  /** The port to listen on; any that is free if not given. */
  readonly port?: number;
  /** The port to call instead of that one. */
  readonly channelPort?: number;
  /** What to call instead of a port of loopback. */
  readonly target?: string;
  /** Instead of collecting `errors`. */
  readonly onError?: (error: unknown) => void;
}

const serverId = "spiffe://production.internal/ping";
const certificates = createCa().then((ca) => ca.issue({ spiffeId: serverId }));

/** Starts a ping service whose handlers can be replaced one by one. */
export async function startPing(
  handlers: Partial<Handlers<typeof PingService>> = {},
  options: PingServerOptions = {},
): Promise<PingServer> {
  const certificate = await certificates;
  const ca = Buffer.from(certificate.ca);
  const key = Buffer.from(certificate.key);
  const cert = Buffer.from(certificate.cert);
  const server = new Server(options.server);
  const errors: unknown[] = [];
  const complete = { ...pingHandlers<Metadata>(), ...handlers };
  addService(server, PingService, complete, { onError: options.onError ?? ((error) => errors.push(error)) });
  const serverCredentials = ServerCredentials.createSsl(ca, [{ private_key: key, cert_chain: cert }], true);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${options.port ?? 0}`, serverCredentials, (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  const target = options.target ?? `127.0.0.1:${options.channelPort ?? port}`;
  const channel = new Channel(target, credentials.createSsl(ca, key, cert), {
    "grpc.ssl_target_name_override": "ping.production.internal",
    "grpc.use_local_subchannel_pool": 1,
    ...options.channel,
  });
  return {
    port,
    certificate,
    channel,
    client: createClient(PingService, { channel: () => channel }),
    raw: new GrpcClient("", credentials.createInsecure(), { channelOverride: channel }),
    errors,
    register: server.register.bind(server),
    forceShutdown: () => server.forceShutdown(),
    async [Symbol.asyncDispose](): Promise<void> {
      channel.close();
      server.forceShutdown();
    },
  };
}

/** Sends the given bytes to a method that takes one request, and returns the status. */
export function sendBytes(raw: GrpcClient, method: string, bytes: Buffer): Promise<ServiceError | null> {
  const path = `/${PingService.typeName}/${method}`;
  const pass = (buffer: Buffer): Buffer => buffer;
  return new Promise((resolve) => {
    raw.makeUnaryRequest(path, pass, pass, bytes, (error) => resolve(error));
  });
}

/** Connects, so that a call with a short deadline arrives before that has passed. */
export function ready(server: PingServer): Promise<void> {
  return new Promise((resolve, reject) => {
    server.raw.waitForReady(Date.now() + 10_000, (error) => (error ? reject(error) : resolve()));
  });
}

/** A connection that keeps no rule of gRPC by itself, and the headers to call a method with. */
export function connectBare(
  server: PingServer,
  method: string,
): { readonly session: ClientHttp2Session; readonly headers: OutgoingHttpHeaders } {
  const { cert, key, ca } = server.certificate;
  // The certificate names a workload, not an address; that it is of our CA is enough here.
  const session = connect(`https://127.0.0.1:${server.port}`, { cert, key, ca, checkServerIdentity: () => undefined });
  const path = `/${PingService.typeName}/${method}`;
  return { session, headers: { ":method": "POST", ":path": path, te: "trailers", "content-type": "application/grpc" } };
}

/** How a bare call ended. */
export interface BareStatus {
  readonly code: number;
  readonly details: string;
}

/** Makes a call on a bare connection and sends the given bytes; ends the request only if told so. */
export function bareCall(
  { session, headers }: ReturnType<typeof connectBare>,
  options: { readonly bytes?: Buffer; readonly end?: boolean; readonly headers?: OutgoingHttpHeaders } = {},
): Promise<BareStatus> {
  const stream = session.request({ ...headers, ...options.headers });
  if (options.bytes !== undefined) stream.write(options.bytes);
  if (options.end === true) stream.end();
  return new Promise((resolve, reject) => {
    const read = (answer: IncomingHttpHeaders): void => {
      if (answer["grpc-status"] === undefined) return;
      resolve({ code: Number(answer["grpc-status"]), details: decodeURI(String(answer["grpc-message"])) });
    };
    stream.on("response", read).on("trailers", read).on("error", reject).resume();
  });
}

/** A message as it is on the wire (the length-prefixed message of gRPC over HTTP/2). */
export function framed(message: Buffer, options: { readonly compressed?: boolean } = {}): Buffer {
  const frame = Buffer.alloc(5);
  frame.writeUInt8(options.compressed === true ? 1 : 0, 0);
  frame.writeUInt32BE(message.length, 1);
  return Buffer.concat([frame, message]);
}

/** Waits until a number stops changing while other calls on the same connection come and go. */
export async function settled(server: PingServer, read: () => number): Promise<number> {
  for (let last = -1, unchanged = 0; ; ) {
    await server.client.ping({ text: "still there?" });
    unchanged = read() === last ? unchanged + 1 : 0;
    last = read();
    if (unchanged === 50) return last;
  }
}

/** Turns values into a stream of them. */
export async function* streamOf<T>(...values: readonly T[]): AsyncGenerator<T, void, undefined> {
  yield* values;
}

/** Reads a stream to its end. */
export async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const values: T[] = [];
  for await (const value of stream) values.push(value);
  return values;
}

/** Resolves when the signal aborts, with its reason. */
export function aborted(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(signal.reason);
    signal.addEventListener("abort", () => resolve(signal.reason));
  });
}

/** Bytes that are no message: field 1, of a length that is not there. */
export const undecodable: Buffer = Buffer.from([0x0a, 0x7f, 0x61]);
