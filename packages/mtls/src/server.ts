import type { AddressInfo } from "node:net";
import { createServer } from "node:tls";
import * as grpc from "@grpc/grpc-js";
import { Door, type DoorOptions, DRAIN_MS } from "./door.ts";
import { listenError } from "./listen-error.ts";
import { GRPC_ALPN, serverTlsOptions } from "./tls-policy.ts";

/** What a gRPC server is served with. */
export interface MutualTlsServerOptions extends DoorOptions {
  /** It is not to be bound by itself. */
  readonly server: grpc.Server;
  /** Default 5 000. */
  readonly handshakeTimeoutMs?: number;
}

/** The door of a gRPC server: it lets in connections with a certificate of our CA, and nothing else. */
export interface MutualTlsServer {
  /** How many connections were turned away since the start. */
  readonly refusedHandshakes: number;
  /** How many of them for which cause, such as `CERT_REVOKED`. */
  readonly refusals: ReadonlyMap<string, number>;
  /** How many connections are open. */
  readonly connections: number;
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
 * It follows its identity: a new certificate, CA or revocation list is in force with the next handshake. Where something that was
 * trusted is not any more, all connections are told to go (GOAWAY), and what still runs on them after `drainMs` is cut off. A
 * connection whose own certificate expired or was revoked is cut off within seconds, and `peerOf()` refuses its next call.
 *
 * @example
 * ```ts
 * import { Server } from "@grpc/grpc-js";
 * import { identityFromDirectory, mutualTlsServer } from "@zero-trust/mtls";
 *
 * const door = mutualTlsServer({ identity: identityFromDirectory("/run/secrets/tls"), server: new Server() });
 * const port = await door.listen({ host: "127.0.0.1", port: 0 });
 * ```
 */
export function mutualTlsServer(options: MutualTlsServerOptions): MutualTlsServer {
  const { server, drainMs = DRAIN_MS } = options;
  // "Insecure" since the bytes it gets are already out of their TLS.
  const newInjector = () => server.createConnectionInjector(grpc.ServerCredentials.createInsecure());
  let injector = newInjector();
  const tlsServer = createServer({
    ...serverTlsOptions(options.identity, options.handshakeTimeoutMs),
    ALPNProtocols: [GRPC_ALPN],
  });
  const door = new Door(tlsServer, options, {
    protocol: GRPC_ALPN,
    withoutProtocol: false,
    onAccepted: (socket) => injector.injectConnection(socket),
    onTightened() {
      // With another injector for those to come, since one that drains cuts off all that it ever got.
      const former = injector;
      injector = newInjector();
      former.drain(drainMs);
      // grpc-js keeps an injector, and its HTTP/2 server, until it is told that nothing comes any more.
      setTimeout(() => former.destroy(), drainMs).unref();
    },
  });
  let closed: Promise<void> | undefined;

  return {
    get refusedHandshakes() {
      return door.refusedHandshakes;
    },
    get refusals() {
      return door.refusals;
    },
    get connections() {
      return door.connections;
    },

    listen({ host, port }) {
      return new Promise((resolve, reject) => {
        tlsServer.once("error", (cause: Error) => reject(listenError(host, port, cause)));
        tlsServer.listen({ host, port }, () => {
          tlsServer.removeAllListeners("error");
          // A connection that cannot be accepted, for want of a file descriptor, is not the end of the others.
          tlsServer.on("error", () => undefined);
          resolve((tlsServer.address() as AddressInfo).port);
        });
      });
    },

    close() {
      closed ??= new Promise((resolve) => {
        // Closed for newcomers at once; called back when the last connection has ended, or with an error if it never listened.
        tlsServer.close(() => resolve());
        door.close();
        injector.drain(drainMs);
      });
      return closed;
    },
  };
}
