import { createHash, X509Certificate } from "node:crypto";
import type { PeerCall } from "@zero-trust/mtls";
import { createCa } from "@zero-trust/testkit";

/** A workload as `peerOf` gets to see it: its certificate, and a connection that it is known by from then on. */
export interface PresentedPeer {
  readonly spiffeId: string;
  /** As a token is bound to it (RFC 8705 section 3.1). */
  readonly thumbprint: string;
  readonly authContext: ReturnType<PeerCall["getAuthContext"]>;
  readonly connection: ReturnType<PeerCall["getConnectionInfo"]>;
}

const nameAt = (index: number) => `workload-${String(index).padStart(7, "0")}`;

/**
 * Makes workloads with a certificate each: one that was issued, with the name of each in the place of its own. Signatures are TLS's
 * to check, which has no part here; ten thousand real ones take a minute.
 */
export async function presentedPeers(count: number): Promise<readonly PresentedPeer[]> {
  const ca = await createCa();
  const { cert } = await ca.issue({ spiffeId: spiffeIdAt(0) });
  const issued = new X509Certificate(cert).raw.toString("latin1");
  return Array.from({ length: count }, (_, index) => {
    const raw = Buffer.from(issued.replaceAll(nameAt(0), nameAt(index)), "latin1");
    return {
      spiffeId: spiffeIdAt(index),
      thumbprint: createHash("sha256").update(raw).digest("base64url"),
      authContext: { sslPeerCertificate: { raw } },
      connection: {},
    };
  });
}

/** The SPIFFE ID of one of them. */
function spiffeIdAt(index: number): string {
  return `spiffe://production.internal/${nameAt(index)}`;
}
