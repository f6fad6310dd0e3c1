import { createHash, timingSafeEqual } from "node:crypto";
import type { Adapter, AllClientMetadata } from "oidc-provider";
import { type RegisteredClient, unexpired } from "./clients.ts";

/**
 * What oidc-provider finds when it looks for a client: the one that the request's certificate belongs to, and no other.
 * It keeps nothing here, since tokens are self-contained and clients come from a file; an attempt to is a mistake.
 */
export function clientAdapter(model: string, caller: () => RegisteredClient | undefined, now: () => number): Adapter {
  const refuse = (): Promise<never> => Promise.reject(new Error("oidc-provider keeps no state."));
  return {
    async find(id) {
      const client = model === "Client" ? caller() : undefined;
      return client?.clientId === id ? metadataOf(client, now()) : undefined;
    },
    upsert: refuse,
    consume: refuse,
    destroy: refuse,
    findByUid: refuse,
    findByUserCode: refuse,
    revokeByGrantId: refuse,
  };
}

/** Tells whether a secret is one of a client's that have not expired, in a time that does not say which. */
export function isSecretOf(client: RegisteredClient | undefined, secret: string, nowMs: number): boolean {
  const actual = createHash("sha256").update(secret, "utf8").digest();
  const matches = unexpired(client?.secrets ?? [], nowMs).map(({ sha256 }) =>
    timingSafeEqual(Buffer.from(sha256, "hex"), actual),
  );
  return matches.includes(true);
}

function metadataOf(client: RegisteredClient, nowMs: number): AllClientMetadata {
  return {
    client_id: client.clientId,
    token_endpoint_auth_method: client.authentication,
    tls_client_certificate_bound_access_tokens: true,
    ...{
      tls_client_auth: { tls_client_auth_san_uri: client.spiffeId },
      // It has to be something; nobody here has the secret, and `isSecretOf` compares.
      client_secret_basic: { client_secret: "-" },
      private_key_jwt: { jwks: { keys: unexpired(client.keys, nowMs).map(({ jwk }) => ({ ...jwk })) } },
    }[client.authentication],
  };
}
