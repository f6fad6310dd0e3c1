import { once } from "node:events";
import { type ConnectionOptions, connect } from "node:tls";
import { promisify } from "node:util";
import * as grpc from "@grpc/grpc-js";
import {
  identityFromMemory,
  type MutualTlsServer,
  type MutualTlsServerOptions,
  mutualTlsServer,
  type Peer,
  PeerError,
  peerOf,
  type RefusedHandshake,
  type TlsMaterial,
} from "../src/index.ts";

const bytes = (value: Buffer): Buffer => value;

/** A service of one method that gives back what it gets; the definition is by hand, since these tests need no schema. */
const echo: grpc.ServiceDefinition = {
  Echo: {
    path: "/test.Echo/Echo",
    requestStream: false,
    responseStream: false,
    requestSerialize: bytes,
    requestDeserialize: bytes,
    responseSerialize: bytes,
    responseDeserialize: bytes,
  },
};

export interface EchoServer extends AsyncDisposable {
  readonly door: MutualTlsServer;
  readonly server: grpc.Server;
  readonly port: number;
  readonly refused: readonly RefusedHandshake[];
  /** What the interceptor saw, call by call. */
  readonly peers: readonly (Peer | PeerError)[];
  /** The client's port, call by call. */
  readonly connections: readonly number[];
  /** The metadata of each call that reached the handler. */
  readonly metadata: readonly grpc.Metadata[];
}

export interface EchoOptions extends Partial<Omit<MutualTlsServerOptions, "server">> {
  /** What the server shows, unless there is an identity. */
  readonly material?: TlsMaterial;
  readonly now?: () => number;
  /** Called before a call is answered, with what tells its peer as it is then. */
  readonly before?: (peer: () => Peer) => Promise<void>;
}

/** A real gRPC server behind a real door; it answers UNAUTHENTICATED to a peer that is not one. */
export async function echoServer(options: EchoOptions): Promise<EchoServer> {
  const { material, now = Date.now, before, ...rest } = options;
  const identity = rest.identity ?? (material === undefined ? undefined : identityFromMemory(material));
  if (identity === undefined) throw new TypeError("an echo server needs an identity");
  const refused: RefusedHandshake[] = [];
  const peers: (Peer | PeerError)[] = [];
  const connections: number[] = [];
  const metadata: grpc.Metadata[] = [];
  const looks = new WeakMap<grpc.Metadata, () => Peer>();
  const server = new grpc.Server({
    interceptors: [
      (_method, call) => {
        const look = () => peerOf(call, { trustDomain: "production.internal", now });
        const peer = seen(look);
        peers.push(peer);
        connections.push(call.getConnectionInfo().remotePort ?? 0);
        return new grpc.ServerInterceptingCall(call, {
          start: (next) => {
            if (peer instanceof PeerError) {
              call.sendStatus({ code: grpc.status.UNAUTHENTICATED, details: "no peer" });
            } else {
              next({
                onReceiveMetadata: (received, pass) => {
                  looks.set(received, look);
                  pass(received);
                },
              });
            }
          },
        });
      },
    ],
  });
  server.addService(echo, {
    Echo: (call: grpc.ServerUnaryCall<Buffer, Buffer>, callback: grpc.sendUnaryData<Buffer>) => {
      async function answer(): Promise<void> {
        await before?.(looks.get(call.metadata) ?? fail);
        callback(null, call.request);
      }
      metadata.push(call.metadata);
      void answer();
    },
  });
  const door = mutualTlsServer({
    ...rest,
    identity,
    server,
    onRefused: (event) => refused.push(event),
  });
  const port = await door.listen({ host: "127.0.0.1", port: 0 });
  return {
    door,
    server,
    port,
    refused,
    peers,
    connections,
    metadata,
    [Symbol.asyncDispose]: async () => {
      await door.close();
      server.forceShutdown();
    },
  };
}

function fail(): never {
  throw new Error("the interceptor did not see this call");
}

function seen(read: () => Peer): Peer | PeerError {
  try {
    return read();
  } catch (error) {
    if (error instanceof PeerError) {
      return error;
    }
    throw error;
  }
}

export interface Answer {
  readonly code: grpc.status;
  readonly text: string;
}

/** One call over a given channel. */
export function callEcho(
  channel: grpc.ChannelInterface,
  metadata: grpc.Metadata = new grpc.Metadata(),
  timeoutMs = 5000,
): Promise<Answer> {
  const client = new grpc.Client("unused", grpc.credentials.createInsecure(), {
    channelOverride: channel,
  });
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      "/test.Echo/Echo",
      bytes,
      bytes,
      Buffer.from("hello"),
      metadata,
      { deadline: Date.now() + timeoutMs },
      (error, answer) => resolve({ code: error?.code ?? grpc.status.OK, text: error?.details ?? String(answer) }),
    );
  });
}

/** A client that does not hold back: it shows any certificate and takes any server. */
export function carelessChannel(port: number, material: TlsMaterial): grpc.Channel {
  const { ca, key, cert } = material;
  const credentials = grpc.credentials.createSsl(Buffer.from(ca), Buffer.from(key), Buffer.from(cert), {
    checkServerIdentity: () => undefined,
  });
  return new grpc.Channel(`127.0.0.1:${port}`, credentials, {
    "grpc.ssl_target_name_override": "any.production.internal",
    "grpc.use_local_subchannel_pool": 1,
  });
}

/** A gRPC server that shows any certificate, as one of Go or Java would; ours would not start with it. */
export async function carelessServer(
  material: TlsMaterial,
): Promise<AsyncDisposable & { port: number; calls: number }> {
  const server = new grpc.Server();
  const found = {
    port: 0,
    calls: 0,
    [Symbol.asyncDispose]: async () => server.forceShutdown(),
  };
  server.addService(echo, {
    Echo: (call: grpc.ServerUnaryCall<Buffer, Buffer>, callback: grpc.sendUnaryData<Buffer>) => {
      found.calls += 1;
      callback(null, call.request);
    },
  });
  const pair = { private_key: Buffer.from(material.key), cert_chain: Buffer.from(material.cert) };
  const credentials = grpc.ServerCredentials.createSsl(Buffer.from(material.ca), [pair], true);
  found.port = await promisify(server.bindAsync.bind(server))("127.0.0.1:0", credentials);
  return found;
}

/** Calls once over a channel of its own. */
export async function callAs(port: number, material: TlsMaterial): Promise<Answer> {
  const channel = carelessChannel(port, material);
  try {
    return await callEcho(channel);
  } finally {
    channel.close();
  }
}

export interface Attempt {
  /** Whether the server spoke HTTP/2 to us: in TLS 1.3 a client believes in its handshake before the server has judged it. */
  readonly served: boolean;
  /** The last session that could be resumed. */
  readonly session: Buffer | undefined;
  readonly reused: boolean;
}

/** Connects, says nothing, and sees whether the server's SETTINGS arrive. */
export async function attempt(port: number, options: ConnectionOptions): Promise<Attempt> {
  const socket = connect({
    port,
    host: "127.0.0.1",
    checkServerIdentity: () => undefined,
    ALPNProtocols: ["h2"],
    ...options,
  });
  let session: Buffer | undefined;
  let reused = false;
  socket.on("secureConnect", () => {
    reused = socket.isSessionReused();
  });
  socket.on("session", (value) => {
    session = value;
  });
  const served = await new Promise<boolean>((resolve) => {
    socket.once("data", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("close", () => resolve(false));
  });
  if (!socket.closed) {
    socket.destroy();
    await once(socket, "close");
  }
  return { served, session, reused };
}
