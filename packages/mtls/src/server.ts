import type { AddressInfo, Socket } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import * as grpc from "@grpc/grpc-js";
import { rememberConnection } from "./connections.ts";
import { Handshakes, type RefusedHandshake } from "./handshakes.ts";
import type { TlsIdentity } from "./tls-identity.ts";
import { GRPC_ALPN, serverTlsOptions } from "./tls-policy.ts";

/** What a gRPC server is served with. */
export interface MutualTlsServerOptions {
  readonly identity: TlsIdentity;
  /** It is not to be bound by itself. */
  readonly server: grpc.Server;
  /** Told of every connection that is turned away. */
  readonly onRefused?: (event: RefusedHandshake) => void;
  /** Default 5 000. */
  readonly handshakeTimeoutMs?: number;
  /** How long close() lets running calls go on; default 25 000, under the 30 s that a stopping process is usually given. */
  readonly drainMs?: number;
}

const DRAIN_MS = 25_000;

/** The door of a gRPC server: it lets in connections with a certificate of our CA, and nothing else. */
export interface MutualTlsServer {
  /** How many connections were turned away since the start. */
  readonly refusedHandshakes: number;
  /**
   * Starts to accept connections; port 0 takes any free one. Gives the port.
   *
   * @throws {Error} with a sentence, when the address is not to be had
   */
  listen(address: { readonly host: string; readonly port: number }): Promise<number>;
  /**
   * Stops accepting, ends what is still in its handshake, tells the clients to go elsewhere (GOAWAY), lets running calls end
   * for at most `drainMs`, and resolves when the last connection is closed. It is this that drains: `server.tryShutdown()` does
   * not wait for connections that grpc-js did not accept itself.
   */
  close(): Promise<void>;
}

/**
 * Serves a gRPC server over mutual TLS 1.3. The TLS server is ours and hands each accepted connection to grpc-js: so refused
 * handshakes can be counted, and the connection's certificate is at hand.
 *
 * @example
 * const door = mutualTlsServer({ identity: identityFromDirectory("/run/secrets/tls"), server: new grpc.Server() });
 * const port = await door.listen({ host: "127.0.0.1", port: 0 });
 */
export function mutualTlsServer(options: MutualTlsServerOptions): MutualTlsServer {
  const { identity, server, onRefused } = options;
  // "Insecure" since the bytes it gets are already out of their TLS.
  const injector = server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
  const tlsServer = createServer({
    ...serverTlsOptions(identity, options.handshakeTimeoutMs),
    ALPNProtocols: [GRPC_ALPN],
  });
  let closing = false;
  let closed: Promise<void> | undefined;
  const handshakes = new Handshakes((event) => {
    if (!closing) {
      onRefused?.(event);
    }
  });

  // First in line: the address is to be read before TLS can close the socket.
  tlsServer.prependListener("connection", (socket: Socket) => handshakes.begun(socket));
  tlsServer.on("tlsClientError", (error, socket) => handshakes.failed(error, socket));
  tlsServer.on("secureConnection", function accept(socket: TLSSocket) {
    // A connection that breaks is its session's business; without a listener it would be the process's.
    socket.on("error", () => {});
    if (closing) {
      socket.destroy();
    } else if (socket.alpnProtocol !== GRPC_ALPN) {
      // A client that offers no ALPN at all passes Node's own check.
      handshakes.refuse(socket, "ALPN_NOT_H2");
    } else {
      handshakes.accepted(socket);
      rememberConnection(socket);
      injector.injectConnection(socket);
    }
  });

  return {
    get refusedHandshakes() {
      return handshakes.refused;
    },

    listen({ host, port }) {
      return new Promise((resolve, reject) => {
        tlsServer.once("error", (cause: Error) => reject(listenError(host, port, cause)));
        tlsServer.listen({ host, port }, () => {
          tlsServer.removeAllListeners("error");
          resolve((tlsServer.address() as AddressInfo).port);
        });
      });
    },

    close() {
      closing = true;
      closed ??= new Promise((resolve) => {
        // Closed for newcomers at once; called back when the last connection has ended, or with an error if it never listened.
        tlsServer.close(() => resolve());
      });
      handshakes.abandon();
      injector.drain(options.drainMs ?? DRAIN_MS);
      return closed;
    },
  };
}

function listenError(host: string, port: number, cause: Error): Error {
  const code = "code" in cause ? cause.code : undefined;
  switch (code) {
    case "EADDRINUSE":
      return new Error(`Port ${port} of ${host} is in use; stop what uses it or choose another.`, {
        cause,
      });
    case "EACCES":
      return new Error(`Port ${port} of ${host} is not for this user; choose one above 1023.`, {
        cause,
      });
    default:
      return new Error(`Cannot listen on port ${port} of ${host}; check that the address is this machine's.`, {
        cause,
      });
  }
}
