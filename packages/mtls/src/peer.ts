import { createHash } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { type Connection, type ConnectionAddresses, connectionOf, liveConnection } from "./connections.ts";
import { type IdentityRule, uriSan } from "./identity-rule.ts";
import { parseX509Svid, X509SvidError } from "./x509-svid.ts";

/** Who is at the other end of a connection, by its certificate. */
export interface Peer {
  readonly spiffeId: string;
  readonly trustDomain: string;
  /** Base64url SHA-256 of the certificate's DER: `x5t#S256` (RFC 8705 §3.1). */
  readonly thumbprint: string;
  /** Hexadecimal. */
  readonly serialNumber: string;
  /** The certificate's end, epoch milliseconds. */
  readonly notAfterMs: number;
}

/** No peer that could be trusted; the message is the cause for the log, never for the wire. */
export class PeerError extends Error {
  override readonly name = "PeerError";
}

/** The part of a gRPC call that tells who is calling; `ServerInterceptingCallInterface` of grpc-js has it. */
export interface PeerCall {
  getAuthContext(): { readonly sslPeerCertificate?: { readonly raw: Uint8Array } | undefined };
  getConnectionInfo(): ConnectionAddresses;
}

/** What a peer has to be. */
export interface PeerOptions {
  /** The one trust domain whose workloads are let in. */
  readonly trustDomain: string;
  /** Epoch milliseconds; default `Date.now`. */
  readonly now?: () => number;
}

/**
 * The peer of one call, whatever becomes of its connection.
 *
 * @throws {PeerError} as {@link peerOf}
 */
export type CallPeer = (options: PeerOptions) => Peer;

/** A certificate is parsed once; that it is a bad one is worth remembering too. */
type Parsed = Peer | PeerError;

/** A peer, and the connection that tells whether it would still be let in. */
interface Known {
  readonly parsed: Parsed;
  readonly connection?: Connection;
}

const bySocket = new WeakMap<TLSSocket, Parsed>();
/** A call's connection info is one object for the call's life: its peer stays what it was, whoever gets the addresses next. */
const byCall = new WeakMap<ConnectionAddresses, CallPeer>();
/** For connections that are not ours, such as a server bound with other credentials; oldest out first. */
const byDigest = new Map<string, Parsed>();
const MAX_DIGESTS = 1024;

/**
 * Reads a client's X509-SVID.
 *
 * @param identityRule - how the PKI names workloads; by their SPIFFE IDs unless given
 * @throws {PeerError} when the certificate is not one
 */
export function parsePeer(der: Uint8Array, identityRule: IdentityRule = uriSan): Peer {
  try {
    const { spiffeId, thumbprint, serialNumber, notAfterMs } = parseX509Svid(der, ["client"], identityRule);
    const { uri, trustDomain } = spiffeId;
    return Object.freeze({ spiffeId: uri, trustDomain, thumbprint, serialNumber, notAfterMs });
  } catch (cause) {
    throw cause instanceof X509SvidError ? new PeerError(cause.message, { cause }) : cause;
  }
}

/**
 * The peer of a gRPC call. The certificate is parsed once a connection. Whether it is still good (not expired, not revoked, of a
 * CA that is trusted) is asked on every call, since a connection may outlive it.
 *
 * @throws {PeerError} without a verified certificate, or with one that is no X509-SVID, of another trust domain, expired or revoked
 *
 * @example
 * ```ts
 * import { ServerInterceptingCall, type ServerInterceptor } from "@grpc/grpc-js";
 * import { peerOf } from "@zero-trust/mtls";
 *
 * export const logPeer: ServerInterceptor = (_method, call) => {
 *   console.log(peerOf(call, { trustDomain: "production.internal" }).spiffeId);
 *   return new ServerInterceptingCall(call);
 * };
 * ```
 */
export function peerOf(call: PeerCall, options: PeerOptions): Peer {
  const addresses = call.getConnectionInfo();
  let peer = byCall.get(addresses);
  if (peer === undefined) {
    peer = peerOfCall(call);
    byCall.set(addresses, peer);
  }
  return peer(options);
}

/**
 * Says who the peer of a gRPC call is, as often as it is asked while the call lasts: what {@link peerOf} says, for whoever keeps
 * the answer of a call with the call.
 */
export function peerOfCall(call: PeerCall): CallPeer {
  const connection = liveConnection(call.getConnectionInfo());
  const known = connection === undefined ? { parsed: ofAuthContext(call) } : ofConnection(connection);
  return (options) => acceptable(known, options);
}

/**
 * The peer of a plain TLS connection, such as an HTTPS request's `socket`.
 *
 * @throws {PeerError} as {@link peerOf}
 */
export function peerOfSocket(socket: TLSSocket, options: PeerOptions): Peer {
  if (!socket.authorized) {
    throw new PeerError("The connection has no verified client certificate.");
  }
  const connection = connectionOf(socket);
  return acceptable(connection === undefined ? { parsed: ofSocket(socket) } : ofConnection(connection), options);
}

/** The SPIFFE ID that a connection shows; undefined where its certificate has none. */
export function spiffeIdOfConnection(connection: Connection): string | undefined {
  const { parsed } = ofConnection(connection);
  return parsed instanceof PeerError ? undefined : parsed.spiffeId;
}

function acceptable({ parsed, connection }: Known, options: PeerOptions): Peer {
  if (parsed instanceof PeerError) {
    throw parsed;
  }
  if (parsed.trustDomain !== options.trustDomain) {
    throw new PeerError(`${parsed.spiffeId} is not of the trust domain ${options.trustDomain}.`);
  }
  const nowMs = (options.now ?? Date.now)();
  // RFC 5280 §4.1.2.5: the certificate is good through notAfter, that second included.
  if (nowMs >= parsed.notAfterMs + 1000) {
    throw new PeerError(`The certificate of ${parsed.spiffeId} has expired.`);
  }
  const complaint = connection?.complaint(nowMs);
  if (complaint !== undefined) {
    throw new PeerError(complaint);
  }
  return parsed;
}

function ofConnection(connection: Connection): Known {
  const { socket, chain, identityRule } = connection;
  return { parsed: ofSocket(socket, chain[0]?.raw, identityRule), connection };
}

function ofSocket(socket: TLSSocket, der?: Uint8Array, identityRule?: IdentityRule): Parsed {
  let parsed = bySocket.get(socket);
  if (parsed === undefined) {
    parsed = parse(der ?? socket.getPeerX509Certificate()?.raw, identityRule);
    bySocket.set(socket, parsed);
  }
  return parsed;
}

function ofAuthContext(call: PeerCall): Parsed {
  const der = call.getAuthContext().sslPeerCertificate?.raw;
  if (der === undefined) {
    return parse(der);
  }
  const digest = createHash("sha256").update(der).digest("base64");
  let parsed = byDigest.get(digest);
  if (parsed === undefined) {
    parsed = parse(der);
    byDigest.set(digest, parsed);
    if (byDigest.size > MAX_DIGESTS) {
      const [oldest = ""] = byDigest.keys();
      byDigest.delete(oldest);
    }
  }
  return parsed;
}

function parse(der: Uint8Array | undefined, identityRule?: IdentityRule): Parsed {
  if (der === undefined) {
    return new PeerError("The connection has no verified client certificate.");
  }
  try {
    return parsePeer(der, identityRule);
  } catch (error) {
    if (error instanceof PeerError) {
      return error;
    }
    throw error;
  }
}
