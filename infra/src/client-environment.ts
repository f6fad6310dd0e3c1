import { join } from "node:path";
import type { Stack } from "./stack.ts";

/** What a client without our packages is told of a stack: the variables of `docs/wire.md`, for its commands and programs. */
export function clientEnvironment({ deployment, issuer, order, payment }: Stack): Readonly<Record<string, string>> {
  return {
    ISSUER: `127.0.0.1:${issuer.port}`,
    ORDER: `127.0.0.1:${order.port}`,
    PAYMENT: `127.0.0.1:${payment.port}`,
    PKI: join(deployment.folder, "pki"),
    API_KEY: deployment.apiKey,
    PARTNER_SECRET: deployment.partnerSecret,
    SIGNING_KEY_ID: deployment.signing.storefront.id,
    SIGNING_SECRET: deployment.signing.storefront.secret.expose(),
  };
}
