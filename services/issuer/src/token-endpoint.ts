import { randomBytes } from "node:crypto";
import type { EventEmitter } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { TLSSocket } from "node:tls";
import type { Log } from "@zero-trust/server";
import { errors, type KoaContextWithOIDC, Provider } from "oidc-provider";
import type { Caller } from "./caller.ts";
import { clientAdapter, isSecretOf } from "./client-adapter.ts";
import type { RegisteredClient } from "./clients.ts";
import type { SigningKeys } from "./signing-keys.ts";
import type { TokenLog } from "./token-log.ts";

/** A stolen token is worth this much, and a client asks this often. */
const TOKEN_LIFETIME_SECONDS = 300;

export const TOKEN_PATH = "/oauth/token";

export interface TokenEndpointOptions {
  readonly issuer: string;
  readonly signingKeys: SigningKeys;
  readonly log: Log;
  readonly tokenLog: TokenLog;
}

/** Answers a token request of a caller that its certificate has identified. */
export type TokenEndpoint = (request: IncomingMessage, response: ServerResponse, caller: Caller) => void;

/**
 * Creates the token endpoint (RFC 6749, section 3.2): client credentials only, JWT access tokens (RFC 9068) for exactly
 * one audience (RFC 8707), bound to the caller's certificate (RFC 8705, section 3).
 *
 * To oidc-provider a client exists only in requests that come with the client's certificate, whatever it authenticates
 * with: a secret that is shown with another workload's certificate is that of an unknown client.
 */
export function createTokenEndpoint(options: TokenEndpointOptions): TokenEndpoint {
  const { issuer, signingKeys, log, tokenLog } = options;
  const callers = new WeakMap<IncomingMessage, Caller>();

  function callerIn(ctx: { readonly req: IncomingMessage } | undefined): Caller {
    const caller = ctx && callers.get(ctx.req);
    if (caller === undefined) throw new Error("A request reached the token endpoint without a caller.");
    return caller;
  }

  const provider = new Provider(issuer, {
    adapter: (model) => clientAdapter(model, () => callerIn(Provider.ctx).client),
    jwks: { keys: signingKeys.all.map((key) => ({ ...key })) },
    clientAuthMethods: ["tls_client_auth", "client_secret_basic"],
    clientDefaults: {
      id_token_signed_response_alg: "ES256",
      grant_types: ["client_credentials"],
      response_types: [],
      redirect_uris: [],
    },
    clientBasedCORS: () => false,
    // No cookie is ever set; without keys a warning would be.
    cookies: { keys: [randomBytes(32).toString("base64url")] },
    enabledJWA: { idTokenSigningAlgValues: ["ES256"] },
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
            jwt: { sign: { alg: "ES256", kid: signingKeys.current.kid } },
          };
        },
      },
      rpInitiatedLogout: { enabled: false },
      userinfo: { enabled: false },
    },
    fetch: () => Promise.reject(new Error("The issuer makes no requests.")),
    // Whatever the caller accepts, it gets JSON and no page.
    renderError: (ctx, out) => {
      ctx.body = out;
    },
    responseTypes: [],
    routes: { token: TOKEN_PATH },
    scopes: [],
    ttl: { ClientCredentials: TOKEN_LIFETIME_SECONDS },
  });

  provider.Client.prototype.compareClientSecret = function compareDigest(actual: string): boolean {
    return isSecretOf(this.clientSecret, actual);
  };
  provider.use(async (ctx, next) => {
    await next();
    // No page of another origin has business here.
    ctx.remove("Access-Control-Allow-Origin");
  });
  provider.on("grant.success", (ctx) => {
    tokenLog({
      outcome: "issued",
      caller: callerIn(ctx),
      ...asked(ctx),
      tokenId: ctx.oidc.entities.ClientCredentials?.jti,
    });
  });
  provider.on("grant.error", (ctx, error) => {
    const cause = error.error_detail ?? error.error_description;
    tokenLog({ outcome: "refused", caller: callerIn(ctx), ...asked(ctx), error: error.error, cause });
  });
  provider.on("server_error", (ctx, error) => {
    tokenLog({ outcome: "failed", caller: callerIn(ctx), ...asked(ctx), error: "server_error", cause: error.message });
  });
  // A caller that hangs up in the middle of its request, for one; Koa would print the stack outside the log.
  const koa: EventEmitter = provider;
  koa.on("error", (err) => log.warn({ err }, "a token request failed"));

  const handle = provider.callback();
  return function answer(request, response, caller) {
    callers.set(request, caller);
    void handle(request, response);
  };
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
  const refused = scopes.filter((each) => !allowed.has(each));
  if (refused.length > 0)
    throw new errors.InvalidScope("a scope is not one for this client and resource", refused.join(" "));
  return scopes;
}

function asked(ctx: KoaContextWithOIDC): { readonly audience: unknown; readonly scope: unknown } {
  const params = ctx.oidc.params;
  return { audience: params?.["resource"], scope: params?.["scope"] };
}
