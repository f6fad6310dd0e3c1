import type { CertificateExtensions } from "./certificate-extensions.ts";
import { parseSpiffeId, type SpiffeId } from "./spiffe-id.ts";

/** How the certificates of a PKI name workloads, its own and its peers': `uriSan`, or `dnsSan()`. */
export interface IdentityRule {
  /**
   * The SPIFFE ID that a certificate stands for.
   *
   * @throws {Error} saying why it stands for none
   */
  identify(extensions: Pick<CertificateExtensions, "uris" | "dnsNames">): SpiffeId;
}

/** The certificate's one URI SAN is its SPIFFE ID (X509-SVID §2): the rule unless another is given. */
export const uriSan: IdentityRule = {
  identify({ uris }) {
    const [uri, ...others] = uris;
    if (uri === undefined || others.length > 0) {
      throw new Error(`The certificate has ${uris.length} URI SANs; an X509-SVID has one.`);
    }
    return parseSpiffeId(uri);
  },
};

/**
 * For a PKI without SPIFFE IDs: the certificate's DNS SAN `<workload>.<trust domain>` stands for `spiffe://<trust domain>/<workload>`, under
 * which grants, policies and logs know it. The CA has to keep its names as it would keep SPIFFE IDs: whoever gets a
 * certificate for a name is that workload.
 *
 * A certificate with a URI SAN, with several such names, or with a pattern for them is refused rather than guessed at.
 *
 * @param trustDomain - the domain directly below which workloads have their names
 * @throws {TypeError} when it is no trust domain
 *
 * @example
 * ```ts
 * import { dnsSan, identityFromDirectory } from "@zero-trust/mtls";
 *
 * const identity = identityFromDirectory("/run/secrets/tls", { identityRule: dnsSan("production.internal") });
 * ```
 */
export function dnsSan(trustDomain: string): IdentityRule {
  if (parseSpiffeId(`spiffe://${trustDomain}/workload`).trustDomain !== trustDomain) {
    throw new TypeError(`"${trustDomain}" is not a trust domain.`);
  }
  const suffix = `.${trustDomain}`;
  return {
    identify({ uris, dnsNames }) {
      const [name, ...others] = dnsNames.filter((each) => each.toLowerCase().endsWith(suffix));
      if (uris.length > 0) {
        throw new Error("The certificate has a URI SAN, and workloads are known by their DNS names here.");
      }
      if (name === undefined || others.length > 0) {
        throw new Error(
          `The certificate has ${dnsNames.length} DNS SANs, not one of which alone is below ${trustDomain}.`,
        );
      }
      const workload = name.slice(0, -suffix.length);
      if (!/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(workload)) {
        throw new Error(`The DNS SAN of the certificate is not a workload's name directly below ${trustDomain}.`);
      }
      return parseSpiffeId(`spiffe://${trustDomain}/${workload}`);
    },
  };
}
