import { createHash, X509Certificate } from "node:crypto";
import { type CertificateExtensions, certificateExtensions } from "./certificate-extensions.ts";
import { type IdentityRule, uriSan } from "./identity-rule.ts";
import type { SpiffeId } from "./spiffe-id.ts";

/** A certificate that names a workload. */
export interface X509Svid {
  readonly spiffeId: SpiffeId;
  /** Base64url SHA-256 of the DER: `x5t#S256` (RFC 8705 §3.1). */
  readonly thumbprint: string;
  /** Hexadecimal. */
  readonly serialNumber: string;
  /** Epoch milliseconds. */
  readonly notBeforeMs: number;
  /** Epoch milliseconds. */
  readonly notAfterMs: number;
}

/** Which end of a connection the certificate speaks for. */
export type SvidUse = "client" | "server";

/** A certificate that is not an X509-SVID; the message is for the log, never for the wire. */
export class X509SvidError extends Error {
  override readonly name = "X509SvidError";
}

const EXTENDED_KEY_USAGE: Readonly<Record<SvidUse, string>> = {
  server: "1.3.6.1.5.5.7.3.1",
  client: "1.3.6.1.5.5.7.3.2",
};

/**
 * Reads an X509-SVID and enforces what TLS does not: it names a workload, by exactly one URI SAN unless the rule is another; not a CA; a key for
 * signatures and not for certificates (X509-SVID §4, §5.2); an extended key usage that names each use. Whether the chain is good and
 * the dates are current is for TLS and the caller to say.
 *
 * @throws {X509SvidError} when the certificate is not one
 */
export function parseX509Svid(
  der: Uint8Array,
  uses: readonly SvidUse[],
  identityRule: IdentityRule = uriSan,
): X509Svid {
  const { certificate, extensions } = read(der);
  const spiffeId = workloadId(extensions, identityRule);
  // Both views must agree that it is a leaf: Node's, which is OpenSSL's, and ours.
  if (extensions.isCa || certificate.ca) {
    throw new X509SvidError("The certificate is a CA's.");
  }
  if (extensions.keyUsage?.digitalSignature !== true) {
    throw new X509SvidError("The certificate's key usage lacks digitalSignature.");
  }
  if (extensions.keyUsage.keyCertSign || extensions.keyUsage.crlSign) {
    throw new X509SvidError("The certificate's key may sign certificates or CRLs.");
  }
  for (const use of uses) {
    if (!(certificate.keyUsage ?? []).includes(EXTENDED_KEY_USAGE[use])) {
      throw new X509SvidError(`The certificate's extended key usage lacks ${use}Auth.`);
    }
  }
  return Object.freeze({
    spiffeId,
    thumbprint: createHash("sha256").update(der).digest("base64url"),
    serialNumber: certificate.serialNumber,
    notBeforeMs: certificate.validFromDate.getTime(),
    notAfterMs: certificate.validToDate.getTime(),
  });
}

function read(der: Uint8Array): {
  certificate: X509Certificate;
  extensions: CertificateExtensions;
} {
  try {
    return { certificate: new X509Certificate(der), extensions: certificateExtensions(der) };
  } catch (cause) {
    throw new X509SvidError("The certificate cannot be read.", { cause });
  }
}

function workloadId(extensions: CertificateExtensions, identityRule: IdentityRule): SpiffeId {
  let spiffeId: SpiffeId;
  try {
    spiffeId = identityRule.identify(extensions);
  } catch (cause) {
    throw new X509SvidError(cause instanceof Error ? cause.message : "Not a SPIFFE ID.", { cause });
  }
  if (spiffeId.path === "") {
    // X509-SVID §2: an ID without a path names the trust domain, which is no workload.
    throw new X509SvidError("The certificate names a trust domain, not a workload.");
  }
  return spiffeId;
}
