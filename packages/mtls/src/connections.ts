import type { TLSSocket } from "node:tls";

/** The four addresses that name a connection for as long as it lives. */
export interface ConnectionAddresses {
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}

/**
 * The live connections of this process. A gRPC call has no handle on its connection but the four addresses, and to ask it for
 * the certificate costs more than all the rest of looking at a peer.
 */
const live = new Map<string, TLSSocket>();

/** Remembers an accepted connection until it closes; one whose certificate did not verify is never remembered. */
export function rememberConnection(socket: TLSSocket): void {
  const key = keyOf(socket);
  if (key === undefined || !socket.authorized) {
    return;
  }
  live.set(key, socket);
  socket.once("close", () => {
    // The system may have given the same addresses to the next connection before we heard of this one's end.
    if (live.get(key) === socket) {
      live.delete(key);
    }
  });
}

/** The connection with these addresses, while it is open. */
export function liveConnection(addresses: ConnectionAddresses): TLSSocket | undefined {
  const key = keyOf(addresses);
  const socket = key === undefined ? undefined : live.get(key);
  return socket?.destroyed === false && socket.authorized ? socket : undefined;
}

/** How many connections are remembered. */
export function liveConnectionCount(): number {
  return live.size;
}

function keyOf(addresses: ConnectionAddresses): string | undefined {
  const { localAddress, localPort, remoteAddress, remotePort } = addresses;
  if (
    localAddress === undefined ||
    localPort === undefined ||
    remoteAddress === undefined ||
    remotePort === undefined
  ) {
    return undefined;
  }
  return `${localAddress} ${localPort} ${remoteAddress} ${remotePort}`;
}
