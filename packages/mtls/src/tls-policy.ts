import { constants } from "node:crypto";
import type { SecureContextOptions, TlsOptions } from "node:tls";
import { pemBlocks } from "./pem.ts";
import { CRL_LABEL } from "./revocation-lists.ts";
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

/** root → intermediate → leaf: whoever can sign below that is not one of ours. */
export const DEFAULT_MAX_INTERMEDIATES = 1;

/** The only protocol of gRPC (RFC 9113 §3.2); a client that does not say it is not a gRPC client. */
export const GRPC_ALPN = "h2";

export const HTTPS_ALPN = "http/1.1";

/**
 * The secure context of an identity. Only its own CA is trusted: `ca` is never empty (the identity sees to it), and an empty
 * one would mean all the public CAs that Node knows.
 */
export function secureContextOptions(identity: TlsIdentity): SecureContextOptions {
  const { cert, key, ca, crl } = identity.material;
  // Of a text with several lists Node reads the first alone, and then refuses whoever the others are about.
  return { ...TLS_RULES, cert, key, ca, ...(crl === undefined ? {} : { crl: [...pemBlocks(crl, CRL_LABEL).blocks] }) };
}

/** The options of a server that serves only clients with a certificate of our CA. */
export function serverTlsOptions(identity: TlsIdentity, handshakeTimeoutMs: number = HANDSHAKE_TIMEOUT_MS): TlsOptions {
  return {
    ...secureContextOptions(identity),
    ...CLIENT_CERTIFICATE_RULES,
    handshakeTimeout: handshakeTimeoutMs,
  };
}
