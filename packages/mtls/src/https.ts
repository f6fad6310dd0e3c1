import { Agent, type ServerOptions } from "node:https";
import { expectServer } from "./server-identity.ts";
import type { TlsIdentity } from "./tls-identity.ts";
import { REJECT_UNAUTHORIZED, secureContextOptions, serverTlsOptions } from "./tls-policy.ts";

/**
 * Options for `https.createServer` that serve only clients with a certificate of our CA.
 *
 * @example
 * const server = https.createServer(httpsServerOptions({ identity }), (request, response) => {
 *   const peer = peerOfSocket(request.socket as tls.TLSSocket, { trustDomain: "production.internal" });
 *   response.end(peer.spiffeId);
 * });
 */
export function httpsServerOptions(options: { readonly identity: TlsIdentity }): ServerOptions {
  return { ...serverTlsOptions(options.identity), ALPNProtocols: ["http/1.1"] };
}

/**
 * An agent for `https.request` that shows our certificate and speaks only to the workload `serverId`.
 *
 * @throws {TypeError} when `serverId` is not a workload's SPIFFE ID
 */
export function httpsAgent(options: { readonly identity: TlsIdentity; readonly serverId: string }): Agent {
  return new Agent({
    ...secureContextOptions(options.identity),
    ...expectServer(options.serverId),
    rejectUnauthorized: REJECT_UNAUTHORIZED,
    keepAlive: true,
    // Node does not check the server's identity again on a resumed session.
    maxCachedSessions: 0,
  });
}
