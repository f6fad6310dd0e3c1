import { Metadata } from "@grpc/grpc-js";
import { Credential } from "../src/index.ts";
import type { MetadataVerifier, Verification } from "../src/verifier.ts";

/** The thumbprint of the certificate that the caller shows, where a test says nothing else. */
export const thumbprint: string = "A".repeat(43);

/** Shows a verifier a value of `authorization`, as a call would. */
export async function presentToken(
  verifier: MetadataVerifier,
  authorization: string,
  call: { readonly nowMs: number; readonly thumbprint?: string },
): Promise<Verification> {
  const metadata = new Metadata();
  metadata.set("authorization", authorization);
  const peer = {
    spiffeId: "spiffe://production.internal/storefront",
    trustDomain: "production.internal",
    thumbprint: call.thumbprint ?? thumbprint,
    serialNumber: "1",
    notAfterMs: Number.MAX_SAFE_INTEGER,
  };
  const { nowMs } = call;
  const named = new Set([Credential.BEARER]);
  return await verifier.verify(metadata, { path: "/order.v1.OrderService/GetOrder", peer, nowMs, named });
}
