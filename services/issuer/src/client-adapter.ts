import { createHash, timingSafeEqual } from "node:crypto";
import type { Adapter, AllClientMetadata } from "oidc-provider";
import type { RegisteredClient } from "./clients.ts";

/**
 * What oidc-provider finds when it looks for a client: the one that the request's certificate belongs to, and no other.
 * It keeps nothing, since tokens are self-contained and clients come from a file; an attempt to is a mistake.
 */
export function clientAdapter(model: string, caller: () => RegisteredClient | undefined): Adapter {
  const refuse = (): Promise<never> => Promise.reject(new Error("The issuer keeps no state."));
  return {
    async find(id) {
      const client = model === "Client" ? caller() : undefined;
      return client?.clientId === id ? metadataOf(client) : undefined;
    },
    upsert: refuse,
    consume: refuse,
    destroy: refuse,
    findByUid: refuse,
    findByUserCode: refuse,
    revokeByGrantId: refuse,
  };
}

/** Tells, in constant time, whether a secret is the one of this SHA-256. */
export function isSecretOf(sha256: string | undefined, secret: string): boolean {
  const expected = Buffer.from(sha256 ?? "", "hex");
  const actual = createHash("sha256").update(secret, "utf8").digest();
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}

function metadataOf(client: RegisteredClient): AllClientMetadata {
  return {
    client_id: client.clientId,
    token_endpoint_auth_method: client.authentication,
    tls_client_certificate_bound_access_tokens: true,
    ...(client.authentication === "tls_client_auth"
      ? { tls_client_auth_san_uri: client.spiffeId }
      : // The digest takes the place of the secret, which nobody here has; `isSecretOf` compares.
        { client_secret: client.secretSha256 }),
  };
}
