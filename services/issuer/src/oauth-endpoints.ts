import type { EventEmitter } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Log } from "@zero-trust/server";
import { errors, type KoaContextWithOIDC } from "oidc-provider";
import type { Caller } from "./caller.ts";
import { type Clients, isActive } from "./clients.ts";
import type { KeyRing } from "./key-ring.ts";
import { REVOCATION_PATH } from "./paths.ts";
import { asked, createProvider, DatabaseAway } from "./provider.ts";
import type { ReloadedFile } from "./reloaded-file.ts";
import { readSignedToken } from "./signed-token.ts";
import type { SigningKey } from "./signing-keys.ts";
import type { IssuerStore } from "./store.ts";
import type { TokenLog } from "./token-log.ts";

/** What the endpoints work with. */
export interface OAuthEndpointsOptions {
  readonly issuer: string;
  readonly clients: ReloadedFile<Clients>;
  readonly keys: KeyRing;
  readonly store: IssuerStore;
  readonly log: Log;
  readonly tokenLog: TokenLog;
  readonly now: () => number;
}

/** Answers a request of a caller that its certificate has identified. */
export type OAuthEndpoints = (request: IncomingMessage, response: ServerResponse, caller: Caller) => void;

type Handle = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** Creates the token endpoint (RFC 6749, section 3.2) and the revocation endpoint (RFC 7009). */
export function createOAuthEndpoints(options: OAuthEndpointsOptions): OAuthEndpoints {
  const { clients, keys, store, log, tokenLog, now } = options;
  const callers = new WeakMap<IncomingMessage, Caller>();

  function callerIn(ctx: Pick<KoaContextWithOIDC, "req"> | undefined): Caller {
    const caller = ctx && callers.get(ctx.req);
    if (caller === undefined) throw new Error("A request reached the token endpoint without a caller.");
    return caller;
  }

  /** The last look at a token before it goes out: its client may have been revoked since it asked. */
  function giveOut(ctx: KoaContextWithOIDC): void {
    const caller = callerIn(ctx);
    const request = { caller, ...asked(ctx), tokenId: ctx.oidc.entities.ClientCredentials?.jti };
    const registered = clients.current().get(caller.peer.spiffeId);
    if (registered?.clientId === caller.client?.clientId && isActive(registered, now())) {
      tokenLog({ outcome: "issued", ...request });
      return;
    }
    ctx.status = 401;
    ctx.body = { error: "invalid_client", error_description: "client authentication failed" };
    tokenLog({ outcome: "refused", ...request, error: "invalid_client", cause: "the client was revoked meanwhile" });
  }

  /**
   * Revokes a token of the client's that we signed; whatever else it was shown changes nothing (RFC 7009, section 2.2).
   *
   * By now oidc-provider has authenticated the client, as at the token endpoint, and refused to revoke a JWT, since nobody
   * asks it whether one is good. Our verifiers ask for the denylist.
   */
  async function revoke(ctx: KoaContextWithOIDC): Promise<void> {
    const caller = callerIn(ctx);
    const token = readSignedToken(String(ctx.oidc.params?.["token"]), keys.published());
    ctx.status = 200;
    ctx.body = "";
    if (token === undefined || token.client !== caller.client?.clientId) {
      ignored(caller);
      return;
    }
    try {
      await store.revokeToken(token);
      tokenLog({ endpoint: "revocation", outcome: "revoked", caller, tokenId: token.jti });
    } catch (error) {
      tryAgain(ctx);
      const { message: cause } = error as Error;
      const failure = { outcome: "failed", error: "temporarily_unavailable", cause } as const;
      tokenLog({ endpoint: "revocation", caller, tokenId: token.jti, ...failure });
    }
  }

  function ignored(caller: Caller): void {
    tokenLog({ endpoint: "revocation", outcome: "ignored", caller, cause: "it is no token of this client's" });
  }

  function build(): Handle {
    const provider = createProvider({ ...options, callerIn });
    /** What is to be done when oidc-provider is done with a request. */
    const afterwards = new WeakMap<object, () => unknown>();

    provider.use(async (ctx, next) => {
      await next();
      // No page of another origin has business here.
      ctx.remove("Access-Control-Allow-Origin");
      await afterwards.get(ctx)?.();
      if (ctx.path === REVOCATION_PATH && ctx.status === 200 && !afterwards.has(ctx)) ignored(callerIn(ctx));
    });
    provider.on("grant.success", (ctx) => afterwards.set(ctx, () => giveOut(ctx)));
    provider.on("grant.error", (ctx, error) => refused(ctx, error));
    provider.on("revocation.error", (ctx, error) => {
      if (error instanceof errors.UnsupportedTokenType) afterwards.set(ctx, () => revoke(ctx));
      else refused(ctx, error, "revocation");
    });
    provider.on("server_error", (ctx, error) => {
      const endpoint = ctx.path === REVOCATION_PATH ? "revocation" : "token";
      const isAway = error instanceof DatabaseAway;
      if (isAway) afterwards.set(ctx, () => tryAgain(ctx));
      const failure = { outcome: "failed", error: isAway ? "temporarily_unavailable" : "server_error" } as const;
      tokenLog({ endpoint, ...failure, caller: callerIn(ctx), ...asked(ctx), cause: error.message });
    });
    // A caller that hangs up in the middle of its request, for one; Koa would print the stack outside the log.
    const koa: EventEmitter = provider;
    koa.on("error", (err) => log.warn({ err }, "a token request failed"));
    return provider.callback();
  }

  function refused(ctx: KoaContextWithOIDC, error: errors.OIDCProviderError, endpoint?: "revocation"): void {
    const cause = error.error_detail ?? error.error_description;
    tokenLog({ endpoint, outcome: "refused", caller: callerIn(ctx), ...asked(ctx), error: error.error, cause });
  }

  let builtFor: readonly SigningKey[] | undefined;
  let handle: Handle;
  return function answer(request, response, caller) {
    callers.set(request, caller);
    // oidc-provider takes its keys once: other keys, another provider; requests that are running end with theirs.
    if (builtFor !== keys.published()) {
      handle = build();
      builtFor = keys.published();
    }
    void handle(request, response);
  };
}

/** We could not look or write: what it was about is as it was, and may be good. */
function tryAgain(ctx: KoaContextWithOIDC): void {
  ctx.status = 503;
  ctx.body = { error: "temporarily_unavailable", error_description: "try again later" };
}
