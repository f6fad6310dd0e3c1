import type { Agent } from "node:https";
import { requestJson } from "./request.ts";

/** Where a client gets its access tokens. */
export interface TokenSource {
  /**
   * A token that is good now.
   *
   * @param connection - the certificate that the token is going to be shown with, which it has to be bound to where it is bound
   *   to one (RFC 8705 §3): the current one unless given
   */
  token(connection?: { readonly certificateThumbprint?: string }): Promise<string>;
  /**
   * Hears that a server refused a token that this source gave.
   *
   * @returns whether asking again brings another one
   */
  refused?(token: string): boolean;
}

/** A client of an authorization server (RFC 6749 §4.4). */
export interface ClientCredentialsOptions {
  /** `https://…/oauth/token` */
  readonly tokenEndpoint: URL;
  /** Our certificate, and whom the server has to be: `httpsAgent()` of `@zero-trust/mtls`, of the identity of the channels. */
  readonly agent: Agent;
  readonly clientId: string;
  /** The secret, for clients that have one; without, the certificate authenticates us (RFC 8705 §2). */
  readonly clientSecret?: string;
  /** The service that the token is for (RFC 8707). */
  readonly audience: string;
  readonly scopes: readonly string[];
  /** @defaultValue 5 000 */
  readonly timeoutMs?: number;
  /** Milliseconds since 1970. @defaultValue `Date.now` */
  readonly now?: () => number;
}

/** There is no token to send, so the call is not made; the message says why. */
export class TokenUnavailable extends Error {
  override readonly name = "TokenUnavailable";
}

/** A token response has about a kilobyte. */
const maxAnswerBytes = 64 * 1024;
/** A token is renewed when this part of its life is over, so that a slow issuer is noticed while it is still good. */
const renewAfter = 0.75;
/** What is left of a token's life when it is no longer sent: the way to the server takes time, and clocks differ. */
const marginMs = 5_000;

/** After a rotation calls of the former certificate may still run; more than a few certificates at a time have no use. */
const maxCertificates = 4;

/** How long to leave an issuer alone that has just been asked ahead of time. */
const retryMs = 1_000;

/**
 * Gets access tokens by the client credentials grant, keeps them in memory while they are good, and asks once however
 * many calls are waiting. A certificate that takes the place of another has tokens of its own.
 *
 * @param options - the authorization server, and which token for whom
 */
export function clientCredentials(options: ClientCredentialsOptions): TokenSource {
  const held = new Map<string, HeldToken>();
  return {
    async token(connection) {
      const certificateThumbprint = connection?.certificateThumbprint ?? "";
      let token = held.get(certificateThumbprint);
      if (token === undefined) {
        token = heldToken({ ...options, certificateThumbprint });
        held.set(certificateThumbprint, token);
        const [oldest = ""] = held.keys();
        if (held.size > maxCertificates) held.delete(oldest);
      }
      return await token();
    },
  };
}

/** The token of one certificate, kept while it is good. */
type HeldToken = () => Promise<string>;

function heldToken(options: TokenRequest): HeldToken {
  const { now = Date.now } = options;
  let held: { readonly token: string; readonly renewAtMs: number; readonly goodUntilMs: number } | undefined;
  let inFlight: Promise<string> | undefined;
  let nextTryMs = 0;

  async function fetchToken(): Promise<string> {
    const askedMs = now();
    const { token, expiresInSeconds } = await requestToken(options);
    const lifeMs = expiresInSeconds * 1000;
    held = { token, renewAtMs: askedMs + lifeMs * renewAfter, goodUntilMs: askedMs + lifeMs - marginMs };
    return token;
  }

  function refresh(): Promise<string> {
    nextTryMs = now() + retryMs;
    inFlight ??= fetchToken().finally(() => {
      inFlight = undefined;
    });
    return inFlight;
  }

  return async function current() {
    if (held === undefined || now() >= held.goodUntilMs) return refresh();
    // A token that is good is used while the next one is fetched: an issuer that is down or slow stops nobody yet.
    if (now() >= held.renewAtMs && now() >= nextTryMs) refresh().catch(() => undefined);
    return held.token;
  };
}

/** A request for a token that is bound to one of our certificates; empty: to the current one. */
interface TokenRequest extends ClientCredentialsOptions {
  readonly certificateThumbprint: string;
}

async function requestToken(
  options: TokenRequest,
): Promise<{ readonly token: string; readonly expiresInSeconds: number }> {
  const { tokenEndpoint: url, agent, clientId, clientSecret, audience, scopes, timeoutMs = 5_000 } = options;
  const form = new URLSearchParams({ grant_type: "client_credentials", resource: audience, scope: scopes.join(" ") });
  if (clientSecret === undefined) form.set("client_id", clientId);
  const basic = `${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret ?? "")}`;
  const authorization =
    clientSecret === undefined ? {} : { authorization: `Basic ${Buffer.from(basic).toString("base64")}` };
  const { status, json } = await requestJson({
    url,
    agent,
    timeoutMs,
    maxBytes: maxAnswerBytes,
    form,
    certificateThumbprint: options.certificateThumbprint,
    ...authorization,
  }).catch((error: unknown) => {
    throw new TokenUnavailable(`The token endpoint ${url.host} cannot be asked: ${(error as Error).message}.`);
  });
  const answer = (typeof json === "object" && json !== null ? json : {}) as Record<string, unknown>;
  const { access_token: token, expires_in: expiresInSeconds, token_type: type, error } = answer;
  if (status !== 200) {
    const code = typeof error === "string" && /^[a-z_]{1,64}$/.test(error) ? error : `status ${status}`;
    throw new TokenUnavailable(`The token endpoint ${url.host} refused client ${clientId} a token: ${code}.`);
  }
  const usable = typeof token === "string" && typeof expiresInSeconds === "number" && /^bearer$/i.test(String(type));
  if (!usable) throw new TokenUnavailable(`The token endpoint ${url.host} answered something that is no token.`);
  return { token, expiresInSeconds };
}
