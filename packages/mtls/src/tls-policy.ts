import { constants } from "node:crypto";
import type { SecureContextOptions, TlsOptions } from "node:tls";
import type { TlsIdentity } from "./tls-identity.ts";

/**
 * The rules of every TLS connection, of servers and clients, gRPC and HTTPS. They are given to Node each time that a context
 * is made, so that none of them is lost when certificates change.
 */
const TLS_RULES = {
  // TLS 1.3 hides the client's certificate from onlookers and has no negotiable weak part (RFC 8446 §1.2).
  minVersion: "TLSv1.3",
  maxVersion: "TLSv1.3",
  // A session ticket carries the verdict on a certificate past that certificate's end.
  secureOptions: constants.SSL_OP_NO_TICKET,
} as const satisfies SecureContextOptions;

/** What a server asks of a client; a server without it would serve anyone. */
const CLIENT_CERTIFICATE_RULES: {
  readonly requestCert: true;
  readonly rejectUnauthorized: true;
} = { requestCert: true, rejectUnauthorized: true };

/** Said aloud, since the environment variable NODE_TLS_REJECT_UNAUTHORIZED changes the default. */
export const REJECT_UNAUTHORIZED = true;

/** A peer that has not finished its handshake by then costs us a socket for nothing. */
const HANDSHAKE_TIMEOUT_MS = 5000;

/** The only protocol of gRPC (RFC 9113 §3.2); a client that does not say it is not a gRPC client. */
export const GRPC_ALPN = "h2";

/**
 * The secure context of an identity. Only its own CA is trusted: `ca` is never empty (the identity sees to it), and an empty
 * one would mean all the public CAs that Node knows.
 */
export function secureContextOptions(identity: TlsIdentity): SecureContextOptions {
  const { cert, key, ca } = identity.material;
  return { ...TLS_RULES, cert, key, ca };
}

/** The options of a server that serves only clients with a certificate of our CA. */
export function serverTlsOptions(identity: TlsIdentity, handshakeTimeoutMs: number = HANDSHAKE_TIMEOUT_MS): TlsOptions {
  return {
    ...secureContextOptions(identity),
    ...CLIENT_CERTIFICATE_RULES,
    handshakeTimeout: handshakeTimeoutMs,
  };
}
