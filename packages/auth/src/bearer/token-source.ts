import { type HeldToken, heldToken } from "./held-token.ts";
import { type ClientCredentialsOptions, tokenRequest } from "./token-request.ts";

/**
 * Where a client gets its access tokens: `clientCredentials({…})`, or one of your own.
 *
 * @example
 * ```ts
 * import { readFile } from "node:fs/promises";
 * import type { TokenSource } from "@zero-trust/auth/client";
 *
 * // A file that something else keeps fresh: reading it again is all there is to do about a refusal.
 * export const projected: TokenSource = {
 *   token: async () => (await readFile("/var/run/secrets/token", "ascii")).trim(),
 * };
 * ```
 */
export interface TokenSource {
  /**
   * A token that is good now, or a promise of one.
   *
   * @param connection - the certificate that the token is going to be shown with, which it has to be bound to where it is bound
   *   to one (RFC 8705 §3): unless given, the one that was current when the token was issued, which may be before a rotation
   */
  token(connection?: { readonly certificateThumbprint?: string }): string | Promise<string>;
  /**
   * Hears that a server refused a token that this source gave.
   *
   * @returns whether asking again brings another one
   */
  refused?(token: string): boolean;
}

/** After a rotation calls of the former certificate may still run; more than a few certificates at a time have no use. */
const maxCertificates = 4;

/**
 * Gets access tokens by the client credentials grant (RFC 6749 §4.4), keeps them in memory while they are good, and asks once
 * however many calls are waiting. A certificate that takes the place of another has tokens of its own.
 *
 * A token is renewed while it is still good. An issuer that fails is left alone for longer and longer, up to 30 s; a token
 * that a server refuses is replaced, though not more than once in 30 s.
 *
 * @param options - the authorization server, and which token for whom
 * @throws TypeError when the endpoint is not HTTPS, or the client has no way, or two ways, to authenticate itself
 * @example
 * ```ts
 * import { clientCredentials, type TokenSource } from "@zero-trust/auth/client";
 * import { httpsAgent, type TlsIdentity } from "@zero-trust/mtls";
 *
 * export function tokensForOrders(identity: TlsIdentity): TokenSource {
 *   return clientCredentials({
 *     tokenEndpoint: new URL("https://issuer.production.internal/oauth/token"),
 *     agent: httpsAgent({ identity, serverId: "spiffe://production.internal/issuer" }),
 *     clientId: "storefront",
 *     audience: "https://order.production.internal",
 *     scopes: ["read:orders"],
 *   });
 * }
 * ```
 * @example
 * ```ts
 * import type { KeyObject } from "node:crypto";
 * import { type ClientCredentialsOptions, clientCredentials, type TokenSource } from "@zero-trust/auth/client";
 *
 * // private_key_jwt: nothing that the issuer stores lets anybody pass for us.
 * export function tokensByKey(options: ClientCredentialsOptions, privateKey: KeyObject): TokenSource {
 *   const audience = "https://issuer.production.internal";
 *   return clientCredentials({
 *     ...options,
 *     clientAssertion: { privateKey, keyId: "2026-11", algorithm: "ES256", audience },
 *   });
 * }
 * ```
 */
export function clientCredentials(options: ClientCredentialsOptions): TokenSource {
  const { now = Date.now, random = Math.random } = options;
  const request = tokenRequest(options);
  const held = new Map<string, HeldToken>();
  return {
    token(connection) {
      const certificateThumbprint = connection?.certificateThumbprint ?? "";
      let its = held.get(certificateThumbprint);
      if (its === undefined) {
        its = heldToken({ request: () => request(certificateThumbprint), now, random });
        held.set(certificateThumbprint, its);
        const [oldest = ""] = held.keys();
        if (held.size > maxCertificates) held.delete(oldest);
      }
      return its.token();
    },
    refused: (token) => [...held.values()].some((its) => its.refused(token)),
  };
}
