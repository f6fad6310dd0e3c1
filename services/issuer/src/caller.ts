import type { IncomingMessage } from "node:http";
import { TLSSocket } from "node:tls";
import { type Peer, PeerError, peerOfSocket } from "@zero-trust/mtls";
import { type Clients, isActive, type RegisteredClient } from "./clients.ts";

/** Who sent a request, by its certificate alone. */
export interface Caller {
  readonly peer: Peer;
  /** The client that this workload is registered as; undefined also when that client was revoked. */
  readonly client: RegisteredClient | undefined;
  /** When the request was here, all of it, by `performance.now()`. */
  readonly startedMs: number;
}

/** Tells who sent a request; throws PeerError for a certificate that is no X509-SVID of the trust domain. */
export function callerOf(
  request: IncomingMessage,
  options: { readonly trustDomain: string; readonly clients: Clients; readonly nowMs: number },
): Caller {
  const { socket } = request;
  if (!(socket instanceof TLSSocket)) throw new PeerError("the connection is not TLS");
  const peer = peerOfSocket(socket, { trustDomain: options.trustDomain });
  const registered = options.clients.get(peer.spiffeId);
  const client = isActive(registered, options.nowMs) ? registered : undefined;
  return { peer, client, startedMs: performance.now() };
}
