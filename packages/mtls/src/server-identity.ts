import { X509Certificate } from "node:crypto";
import type { DetailedPeerCertificate, PeerCertificate } from "node:tls";
import { certificateExtensions } from "./certificate-extensions.ts";
import type { IdentityRule } from "./identity-rule.ts";
import { parseSpiffeId } from "./spiffe-id.ts";
import { parseX509Svid } from "./x509-svid.ts";

/** What a client demands of a server's certificate, besides a good chain to our CA: `spiffeId()`, `dnsName()` or `allOf()`. */
export interface ServerRule {
  /** The name for SNI (RFC 6066 §3). */
  readonly servername: string;
  /** What is wrong with the certificate, as a sentence for the log; undefined when it is the one expected. */
  readonly complaint: (certificate: PeerCertificate, identityRule: IdentityRule) => string | undefined;
}

/** Extended key usage of a TLS server (RFC 5280 §4.2.1.12). */
const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";

/**
 * The server is the workload with this SPIFFE ID, by an X509-SVID; its host name decides nothing, since whoever runs the
 * name service decides that.
 *
 * @param uri - `spiffe://<trust domain>/<path>`
 * @throws {TypeError} when it is not the SPIFFE ID of a workload
 *
 * @example
 * ```ts
 * import { spiffeId } from "@zero-trust/mtls";
 *
 * const serverId = spiffeId("spiffe://production.internal/payment-service");
 * ```
 */
export function spiffeId(uri: string): ServerRule {
  const expected = parseSpiffeId(uri);
  const workload = expected.path.split("/").at(-1) ?? "";
  if (workload === "") {
    throw new TypeError(`${uri} names a trust domain; name the workload to reach.`);
  }
  return {
    servername: `${workload}.${expected.trustDomain}`,
    complaint: (certificate, identityRule) => {
      const found = parseX509Svid(certificate.raw, ["server"], identityRule).spiffeId.uri;
      return found === expected.uri ? undefined : `The server is ${found}, not ${expected.uri}.`;
    },
  };
}

/**
 * The server's certificate names this host in a DNS SAN (RFC 9525 §6; the CN decides nothing): for a PKI without SPIFFE IDs, or
 * besides one.
 *
 * @param host - a DNS name, not an IP address
 * @throws {TypeError} when it is none
 *
 * @example
 * ```ts
 * import { dnsName } from "@zero-trust/mtls";
 *
 * const serverId = dnsName("payment.production.internal");
 * ```
 */
export function dnsName(host: string): ServerRule {
  if (!/^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(host)) {
    throw new TypeError(`"${host}" is not a DNS name in lower case, such as payment.production.internal.`);
  }
  return {
    servername: host,
    complaint: (certificate) => {
      const leaf = new X509Certificate(certificate.raw);
      // Node says so only of a CA whose key may sign certificates.
      if (leaf.ca || certificateExtensions(certificate.raw).isCa) return "The server's certificate is a CA's.";
      if (!(leaf.keyUsage ?? []).includes(SERVER_AUTH)) {
        return "The server's certificate's extended key usage lacks serverAuth.";
      }
      // Of the SANs alone, as otherwise the CN would do where there is no DNS SAN; and whose name it is, not whose pattern.
      const named = leaf.checkHost(host, { subject: "never", wildcards: false });
      return named === undefined ? `The server's certificate does not name ${host}.` : undefined;
    },
  };
}

/**
 * The server has to meet every rule.
 *
 * @throws {TypeError} without a rule
 *
 * @example
 * ```ts
 * import { allOf, dnsName, spiffeId } from "@zero-trust/mtls";
 *
 * const serverId = allOf(spiffeId("spiffe://production.internal/payment"), dnsName("payment.production.internal"));
 * ```
 */
export function allOf(...rules: readonly ServerRule[]): ServerRule {
  // The last one's name is asked for, so that the host name, where one is demanded, is also what SNI says.
  const last = rules.at(-1);
  if (last === undefined) {
    throw new TypeError("allOf() needs a rule; without one any certificate of the CA would do.");
  }
  return {
    servername: last.servername,
    complaint: (certificate, identityRule) => {
      for (const rule of rules) {
        const complaint = rule.complaint(certificate, identityRule);
        if (complaint !== undefined) return complaint;
      }
      return undefined;
    },
  };
}

/** The checks of a server for `tls.connect`, in place of the one of the host name. */
export interface ExpectedServer {
  readonly servername: string;
  readonly checkServerIdentity: (host: string, certificate: PeerCertificate) => Error | undefined;
}

/**
 * Makes the check of a rule.
 *
 * @throws {TypeError} when `server` is neither a rule nor the SPIFFE ID of a workload
 */
export function expectServer(
  server: string | ServerRule,
  { identityRule, maxIntermediates }: { readonly identityRule: IdentityRule; readonly maxIntermediates: number },
): ExpectedServer {
  const rule = typeof server === "string" ? spiffeId(server) : server;
  return {
    servername: rule.servername,
    checkServerIdentity: (_host, certificate) => {
      try {
        const complaint =
          intermediatesOf(certificate) > maxIntermediates
            ? "The server's chain has too many intermediates."
            : rule.complaint(certificate, identityRule);
        return complaint === undefined ? undefined : new Error(complaint);
      } catch (error) {
        return error instanceof Error ? error : new Error("The server's certificate is unreadable.");
      }
    },
  };
}

/** Node gives the chain as it was verified, up to the root, which is its own issuer. */
function intermediatesOf(certificate: PeerCertificate): number {
  let count = 0;
  let each: Partial<DetailedPeerCertificate> = certificate;
  for (;;) {
    const issuer = each.issuerCertificate;
    if (issuer === undefined || issuer === each || issuer.issuerCertificate === issuer) return count;
    count += 1;
    each = issuer;
  }
}
