import { randomBytes } from "node:crypto";
import { TLSSocket } from "node:tls";
import { errors, type KoaContextWithOIDC, Provider } from "oidc-provider";
import type { Caller } from "./caller.ts";
import { clientAdapter, isSecretOf } from "./client-adapter.ts";
import { checkAssertion } from "./client-assertion.ts";
import { ASSERTION_ALGORITHMS } from "./client-key.ts";
import type { RegisteredClient } from "./clients.ts";
import type { KeyRing } from "./key-ring.ts";
import { TOKEN_LIFETIME_SECONDS, toSeconds } from "./lifetimes.ts";
import { REVOCATION_PATH, TOKEN_PATH } from "./paths.ts";
import type { IssuerStore } from "./store.ts";

/** How far a client's clock may be behind. */
const CLOCK_TOLERANCE_SECONDS = 5;

/** What oidc-provider is configured with. */
export interface ProviderOptions {
  readonly issuer: string;
  readonly keys: KeyRing;
  readonly store: IssuerStore;
  readonly now: () => number;
  /** Who sent the request of a context. */
  readonly callerIn: (ctx: Pick<KoaContextWithOIDC, "req"> | undefined) => Caller;
}

/**
 * Configures oidc-provider for the keys that are published now: client credentials only, JWT access tokens (RFC 9068) for
 * exactly one audience (RFC 8707), bound to the caller's certificate (RFC 8705, section 3).
 *
 * To oidc-provider a client exists only in requests that come with the client's certificate, whatever it authenticates
 * with: a secret or an assertion that is shown with another workload's certificate is that of an unknown client.
 */
export function createProvider(options: ProviderOptions): Provider {
  const { issuer, keys, store, now, callerIn } = options;
  const own = keys.published();

  const provider = new Provider(issuer, {
    adapter: (model) => clientAdapter(model, () => callerIn(Provider.ctx).client, now),
    assertJwtClientAuthClaimsAndHeader: (_, claims) => checkAssertion(claims, issuer, toSeconds(now())),
    jwks: { keys: own.map(({ createdAtMs: _, ...key }) => key) },
    clientAuthMethods: ["tls_client_auth", "client_secret_basic", "private_key_jwt"],
    clientDefaults: {
      id_token_signed_response_alg: "ES256",
      grant_types: ["client_credentials"],
      response_types: [],
      redirect_uris: [],
    },
    clientBasedCORS: () => false,
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
    // No cookie is ever set; without keys a warning would be.
    cookies: { keys: [randomBytes(32).toString("base64url")] },
    enabledJWA: { idTokenSigningAlgValues: ["ES256"], clientAuthSigningAlgValues: [...ASSERTION_ALGORITHMS] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      dPoP: { enabled: false },
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        tlsClientAuth: true,
        getCertificate: ({ req }) =>
          req.socket instanceof TLSSocket ? req.socket.getPeerX509Certificate() : undefined,
        certificateAuthorized: ({ req }) => req.socket instanceof TLSSocket && req.socket.authorized,
        certificateSubjectMatches: (ctx, property, expected) =>
          property === "tls_client_auth_san_uri" && callerIn(ctx).peer.spiffeId === expected,
      },
      pushedAuthorizationRequests: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => {
          throw new errors.InvalidTarget("exactly one resource is needed");
        },
        getResourceServerInfo: (ctx, resource) => {
          const scopes = allowedScopes(ctx, callerIn(ctx).client, resource);
          return {
            scope: scopes.join(" "),
            audience: resource,
            accessTokenFormat: "jwt",
            accessTokenTTL: TOKEN_LIFETIME_SECONDS,
            jwt: { sign: { alg: "ES256", kid: keys.signing(own).kid } },
          };
        },
      },
      revocation: { enabled: true, allowedPolicy: () => false },
      rpInitiatedLogout: { enabled: false },
      userinfo: { enabled: false },
    },
    fetch: () => Promise.reject(new Error("The issuer makes no requests.")),
    formats: {
      customizers: {
        jwt: async (_, token, { payload }) => {
          const sign = token.resourceServer?.jwt?.sign;
          const key = own.find(({ kid }) => sign && kid === sign.kid);
          if (key === undefined) throw new Error("A token has no key to be signed with.");
          await fromDatabase(keys.signed(key, Number(payload["exp"])));
        },
      },
    },
    // Whatever the caller accepts, it gets JSON and no page.
    renderError: (ctx, out) => {
      ctx.body = out;
    },
    responseTypes: [],
    routes: { token: TOKEN_PATH, revocation: REVOCATION_PATH },
    scopes: [],
    ttl: { ClientCredentials: TOKEN_LIFETIME_SECONDS },
  });

  provider.Client.prototype.compareClientSecret = (actual: string) =>
    isSecretOf(callerIn(Provider.ctx).client, actual, now());
  // Its own way looks first and writes then, so that of two equal assertions at once both would be new.
  provider.ReplayDetection.unique = (client, jti, exp) =>
    fromDatabase(store.claimAssertion({ client, jti, expiresAt: Math.ceil(exp) }));
  return provider;
}

/** The database could not be asked or written, so that a request is refused that may be a good one. */
export class DatabaseAway extends Error {
  override readonly name = "DatabaseAway";
}

async function fromDatabase<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    throw new DatabaseAway(cause instanceof Error ? cause.message : "the database cannot be used", { cause });
  }
}

/** What was asked for, as the caller put it. */
export function asked(ctx: KoaContextWithOIDC): { readonly audience: unknown; readonly scope: unknown } {
  const params = ctx.oidc.params;
  return { audience: params?.["resource"], scope: params?.["scope"] };
}

/** Refuses what the client may not have, all of it: a token with less than was asked for would only fail later. */
function allowedScopes(ctx: KoaContextWithOIDC, client: RegisteredClient | undefined, resource: string): string[] {
  // oidc-provider takes the same resource twice for one.
  if (asked(ctx).audience !== resource) throw new errors.InvalidTarget("exactly one resource is needed");
  const allowed = client?.audiences.get(resource);
  if (allowed === undefined) throw new errors.InvalidTarget("the resource is not one for this client");
  const { scope } = asked(ctx);
  const scopes = typeof scope === "string" ? scope.split(" ") : [];
  if (scopes.length === 0) throw new errors.InvalidScope("a scope is needed", "");
  // Not said again: who puts a secret there would find it in whatever keeps answers.
  if (!scopes.every((each) => allowed.has(each)))
    throw new errors.InvalidScope("a scope is not one for this client and resource", "");
  return scopes;
}
