import { connect as connectHttp2 } from "node:http2";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { type AttackAnswer, type AttackCall, type GrpcSession, grpcSession } from "./grpc-session.ts";
import { openWire, type Wire, type WireOptions } from "./wire.ts";

/** What is attacked, and as whom. */
export interface AttackTarget {
  readonly host: string;
  readonly port: number;
  /** The name that TLS asks for. The server's certificate is not checked: an attacker does not mind. Default: "attacked". */
  readonly servername?: string;
  /** The certificate and key to show, PEM; none is shown unless given. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

/**
 * A client without manners, for tests of a gRPC server of one's own: everything that it opens is closed with it.
 *
 * From the least to the most: a TCP connection, a TLS connection, HTTP/2 frames of our own writing ({@link Wire}), gRPC calls
 * with any headers and bytes over `node:http2` ({@link GrpcSession}).
 */
export interface Attacker extends AsyncDisposable {
  /** Connects, and says nothing. */
  tcp(): Promise<Socket>;
  /** Connects and does the handshake, then says nothing. With TLS 1.3 a server refuses a certificate only afterwards: the socket closes. */
  tls(): Promise<TLSSocket>;
  /** Sends HTTP/2 frames over TLS. */
  wire(options?: WireOptions): Promise<Wire>;
  /** Sends HTTP/2 frames in clear, as to a server without TLS. */
  plaintextWire(options?: WireOptions): Promise<Wire>;
  /** Makes gRPC calls over one connection. */
  session(): Promise<GrpcSession>;
  /** Makes one gRPC call over a connection of its own. */
  call(call: AttackCall): Promise<AttackAnswer>;
  /** Closes every connection. */
  close(): void;
}

/**
 * Makes an attacker of a server. Its methods reject when the connection is refused.
 *
 * @example
 * ```ts
 * import { attacker, callFields, headerBlock, headersFrame, type IssuedCertificate, rstStreamFrame } from "@zero-trust/testkit";
 *
 * export async function rapidReset(port: number, tls: IssuedCertificate): Promise<void> {
 *   const block = headerBlock(callFields("/package.Service/Method"));
 *   await using attack = attacker({ host: "127.0.0.1", port, tls });
 *   const wire = await attack.wire();
 *   for (let id = 1; await wire.send(headersFrame(id, block), rstStreamFrame(id)); id += 2);
 * }
 * ```
 */
export function attacker(target: AttackTarget): Attacker {
  const { host, port, servername = "attacked", tls: certificate } = target;
  const opened = new Set<Socket>();
  const keep = <S extends Socket>(socket: S): S => {
    opened.add(socket);
    socket.once("close", () => opened.delete(socket));
    return socket;
  };
  const close = () => {
    for (const socket of opened) socket.destroy();
  };

  async function tcp(): Promise<Socket> {
    const socket = keep(connectTcp({ host, port }));
    await connected(socket, "connect");
    return socket;
  }

  async function tls(): Promise<TLSSocket> {
    const options = { host, port, servername, rejectUnauthorized: false, ALPNProtocols: ["h2"] };
    const identity = certificate === undefined ? {} : { cert: certificate.cert, key: certificate.key };
    const socket = keep(connectTls({ ...options, ...identity }));
    await connected(socket, "secureConnect");
    return socket;
  }

  async function session(): Promise<GrpcSession> {
    const socket = await tls();
    // The server's limits are for it to enforce.
    const options = {
      createConnection: () => socket,
      maxSendHeaderBlockLength: 1_000_000,
      maxHeaderListPairs: 100_000,
    };
    return grpcSession(connectHttp2(`https://${servername}`, options));
  }

  return {
    tcp,
    tls,
    wire: async (options) => openWire(await tls(), options),
    plaintextWire: async (options) => openWire(await tcp(), options),
    session,
    async call(call) {
      const own = await session();
      return own.call(call).finally(() => own.destroy());
    },
    close,
    async [Symbol.asyncDispose]() {
      close();
    },
  };
}

/** Afterwards an error only means that the server closed, which is for the "close" event to say. */
function connected(socket: Socket, event: "connect" | "secureConnect"): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(event, resolve);
    socket.once("error", reject);
    socket.on("error", () => {});
  });
}
