import { type ConnectionOptions, createSecureContext } from "node:tls";
import { expectServer, type ServerRule } from "./server-identity.ts";
import type { TlsIdentity } from "./tls-identity.ts";
import { DEFAULT_MAX_INTERMEDIATES, REJECT_UNAUTHORIZED, secureContextOptions } from "./tls-policy.ts";

/** As whom and to whom. */
export interface ClientTlsOptionsOptions {
  readonly identity: TlsIdentity;
  /** Whom the server must be: a SPIFFE ID, or a rule: `spiffeId()`, `dnsName()`, `allOf()`. */
  readonly serverId: string | ServerRule;
  /** Certificates between the server's and the root; default 1. */
  readonly maxIntermediates?: number;
}

/**
 * Options for one `tls.connect`, for what is neither gRPC nor HTTPS: it shows our certificate of now and ends with an error at
 * any server but the one that `serverId` names. The connection does not follow later certificates.
 *
 * @throws {TypeError} when `serverId` is not a workload's SPIFFE ID
 *
 * @example
 * ```ts
 * import { connect } from "node:tls";
 * import { clientTlsOptions, identityFromDirectory } from "@zero-trust/mtls";
 *
 * const identity = identityFromDirectory("/run/secrets/tls");
 * const serverId = "spiffe://production.internal/payment-service";
 * const socket = connect({ ...clientTlsOptions({ identity, serverId }), host: "127.0.0.1", port: 8443 });
 * ```
 */
export function clientTlsOptions(options: ClientTlsOptionsOptions): ConnectionOptions {
  const { identity, serverId, maxIntermediates = DEFAULT_MAX_INTERMEDIATES } = options;
  return {
    ...expectServer(serverId, { identityRule: identity.identityRule, maxIntermediates }),
    rejectUnauthorized: REJECT_UNAUTHORIZED,
    // As a context and not as its parts, since printing the options would show the key.
    secureContext: createSecureContext(secureContextOptions(identity)),
  };
}
