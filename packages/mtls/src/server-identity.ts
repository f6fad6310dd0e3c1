import type { PeerCertificate } from "node:tls";
import { parseSpiffeId } from "./spiffe-id.ts";
import { parseX509Svid } from "./x509-svid.ts";

/** The workload that a client expects to reach. */
export interface ExpectedServer {
  /** The name for SNI, `<last path segment>.<trust domain>`: an IP address may not be one (RFC 6066 §3). */
  readonly servername: string;
  /** For `tls.connect`: an error unless the certificate is an X509-SVID with the expected SPIFFE ID. */
  readonly checkServerIdentity: (host: string, certificate: PeerCertificate) => Error | undefined;
}

/**
 * The check that the server is the expected workload. It takes the place of the check of the host name, which
 * whoever runs the name service decides.
 *
 * @throws {TypeError} when `serverId` is not the SPIFFE ID of a workload
 */
export function expectServer(serverId: string): ExpectedServer {
  const expected = parseSpiffeId(serverId);
  const workload = expected.path.split("/").at(-1) ?? "";
  if (workload === "") {
    throw new TypeError(`${serverId} names a trust domain; name the workload to reach.`);
  }
  return {
    servername: `${workload}.${expected.trustDomain}`,
    checkServerIdentity: (_host, certificate) => {
      try {
        const { spiffeId } = parseX509Svid(certificate.raw, ["server"]);
        return spiffeId.uri === expected.uri
          ? undefined
          : new Error(`The server is ${spiffeId.uri}, not ${expected.uri}.`);
      } catch (error) {
        return error instanceof Error ? error : new Error("The server's certificate is unreadable.");
      }
    },
  };
}
