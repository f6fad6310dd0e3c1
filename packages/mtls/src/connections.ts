import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import type { IdentityRule } from "./identity-rule.ts";
import type { TlsIdentity } from "./tls-identity.ts";
import type { Trust } from "./trust.ts";

/** The four addresses that name a connection for as long as it lives. */
export interface ConnectionAddresses {
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}

/** Revocation and expiry are looked at again after this time, in milliseconds; a change of what is trusted, at once. */
const JUDGED_FOR_MS = 1000;

/** What a connection is judged by: the identity that it was accepted for, as it is now. */
type Judge = Pick<TlsIdentity, "identityRule" | "trust">;

/** A connection that was accepted, and whether it would be today. */
export class Connection {
  readonly socket: TLSSocket;
  /** The peer's certificate, then what it sent with it as far as Node tells. */
  readonly chain: readonly X509Certificate[];
  /** How the PKI that it is of names workloads. */
  readonly identityRule: IdentityRule;
  readonly #identity: Judge;
  #judged: { readonly trust: Trust; readonly atMs: number; readonly complaint: string | undefined } | undefined;

  constructor(socket: TLSSocket, identity: Judge) {
    this.socket = socket;
    this.identityRule = identity.identityRule;
    // Read now, since a closed socket has forgotten it.
    this.chain = sentChain(socket);
    this.#identity = identity;
  }

  /** Why its certificate is not to be trusted any more (revoked, expired, of a CA that is gone); undefined if it is. */
  complaint(nowMs: number): string | undefined {
    const { trust } = this.#identity;
    if (this.#judged?.trust !== trust || Math.abs(nowMs - this.#judged.atMs) >= JUDGED_FOR_MS) {
      this.#judged = { trust, atMs: nowMs, complaint: trust.complaint(this.chain, nowMs) };
    }
    return this.#judged.complaint;
  }
}

/**
 * The live connections of this process. A gRPC call has no handle on its connection but the four addresses, and to ask it for
 * the certificate costs more than all the rest of looking at a peer.
 */
const live = new Map<string, Connection>();
const bySocket = new WeakMap<TLSSocket, Connection>();

/** Remembers an accepted connection until it closes; one whose certificate did not verify is never remembered. */
export function rememberConnection(connection: Connection): void {
  const { socket } = connection;
  const key = keyOf(socket);
  if (key === undefined || !socket.authorized) {
    return;
  }
  live.set(key, connection);
  bySocket.set(socket, connection);
  socket.once("close", () => {
    // The system may have given the same addresses to the next connection before we heard of this one's end.
    if (live.get(key) === connection) {
      live.delete(key);
    }
  });
}

/** The connection with these addresses, while it is open. */
export function liveConnection(addresses: ConnectionAddresses): Connection | undefined {
  const key = keyOf(addresses);
  const connection = key === undefined ? undefined : live.get(key);
  return connection?.socket.destroyed === false && connection.socket.authorized ? connection : undefined;
}

/** The remembered connection of a socket. */
export function connectionOf(socket: TLSSocket): Connection | undefined {
  return bySocket.get(socket);
}

/** How many connections are remembered. */
export function liveConnectionCount(): number {
  return live.size;
}

function sentChain(socket: TLSSocket): readonly X509Certificate[] {
  const chain: X509Certificate[] = [];
  for (let each = socket.getPeerX509Certificate(); each !== undefined; each = each.issuerCertificate) {
    chain.push(each);
  }
  return chain;
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
