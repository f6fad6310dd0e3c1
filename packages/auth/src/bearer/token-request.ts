import type { Agent } from "node:https";
import type { Secret } from "../secret.ts";
import { exposed } from "../secret.ts";
import { type AssertionSigner, assertionSigner, assertionType, type ClientAssertion } from "./client-assertion.ts";
import { requestJson } from "./request.ts";

/** A client of an authorization server (RFC 6749 §4.4), which authenticates by its certificate (RFC 8705 §2) unless it has something else. */
export interface ClientCredentialsOptions {
  /** `https://…/oauth/token` */
  readonly tokenEndpoint: URL;
  /** Our certificate, and whom the server has to be: `httpsAgent()` of `@zero-trust/mtls`, of the identity of the channels. */
  readonly agent: Agent;
  readonly clientId: string;
  /** The secret, for clients that have one (`client_secret_basic`, RFC 6749 §2.3.1). */
  readonly clientSecret?: string | Secret;
  /** The key, for clients that sign assertions (`private_key_jwt`, RFC 7523 §2.2). */
  readonly clientAssertion?: ClientAssertion;
  /** The service that the token is for (RFC 8707). */
  readonly audience: string;
  readonly scopes: readonly string[];
  /** @defaultValue 5 000 */
  readonly timeoutMs?: number;
  /** Milliseconds since 1970. @defaultValue `Date.now` */
  readonly now?: () => number;
  /** From 0 to 1, without 1: by it the clients of a fleet ask at different times. @defaultValue `Math.random` */
  readonly random?: () => number;
}

/** A token as the authorization server gave it. */
export interface IssuedToken {
  readonly token: string;
  readonly lifeMs: number;
}

/** Asks for a token that is bound to one of our certificates; empty: to the current one. */
export type TokenRequest = (certificateThumbprint: string) => Promise<IssuedToken>;

/** RFC 6750 §2.1; more than 8 KiB no server of ours reads. */
export const tokenGrammar: RegExp = /^(?=.{1,8192}$)[A-Za-z0-9._~+/-]+=*$/;

/** A token response has about a kilobyte. */
const maxAnswerBytes = 64 * 1024;
/** Where the server does not say how long a token lives (RFC 6749 §5.1): whoever verifies it knows, and we ask again soon. */
const untoldLifeSeconds = 60;
/** A token of ours lives for minutes; one that claims to live for years is asked for anew all the same. */
const maxLifeSeconds = 86_400;

/**
 * Makes the token requests of a client.
 *
 * @throws TypeError when the options name no way, or two ways, for it to authenticate
 */
export function tokenRequest(options: ClientCredentialsOptions): TokenRequest {
  const { tokenEndpoint: url, agent, clientId, audience, scopes, timeoutMs = 5_000 } = options;
  if (url.protocol !== "https:") throw new TypeError("Tokens are asked for over HTTPS alone.");
  const authenticate = authentication(options);
  return async function request(certificateThumbprint) {
    const form = new URLSearchParams({ grant_type: "client_credentials", resource: audience, scope: scopes.join(" ") });
    const authorization = await authenticate(form);
    const { status, json } = await requestJson({
      url,
      agent,
      timeoutMs,
      maxBytes: maxAnswerBytes,
      form,
      certificateThumbprint,
      ...authorization,
    }).catch((error: unknown) => {
      throw new Error(`The token endpoint ${url.host} cannot be asked: ${(error as Error).message}`);
    });
    const answer = (typeof json === "object" && json !== null ? json : {}) as Record<string, unknown>;
    if (status !== 200) {
      const { error } = answer;
      const code = typeof error === "string" && /^[a-z_]{1,64}$/.test(error) ? error : `status ${status}`;
      throw new Error(`The token endpoint ${url.host} refused client ${clientId} a token: ${code}`);
    }
    const issued = parse(answer);
    if (issued === undefined) throw new Error(`The token endpoint ${url.host} answered something that is no token`);
    return issued;
  };
}

/** Puts into the form what authenticates the client; the rest is for the header. */
type Authenticate = (form: URLSearchParams) => Promise<{ readonly authorization?: string }>;

function authentication(options: ClientCredentialsOptions): Authenticate {
  const { clientId, clientSecret, clientAssertion, now = Date.now } = options;
  if (clientSecret !== undefined && clientAssertion !== undefined) {
    throw new TypeError("A client has a secret or a key for assertions, not both.");
  }
  if (clientSecret !== undefined) {
    const secret = exposed(clientSecret);
    if (secret === "") throw new TypeError("The client secret is empty.");
    const basic = Buffer.from(`${formEncoded(clientId)}:${formEncoded(secret)}`).toString("base64");
    return async () => ({ authorization: `Basic ${basic}` });
  }
  const sign: AssertionSigner | undefined = clientAssertion && assertionSigner({ ...clientAssertion, clientId, now });
  return async (form) => {
    form.set("client_id", clientId);
    if (sign !== undefined) {
      form.set("client_assertion_type", assertionType);
      form.set("client_assertion", await sign());
    }
    return {};
  };
}

/** `application/x-www-form-urlencoded`, as RFC 6749 §2.3.1 wants both halves of the header. */
function formEncoded(text: string): string {
  return new URLSearchParams({ "": text }).toString().slice("=".length);
}

/** RFC 6749 §5.1; undefined where it is not that. */
function parse(answer: Readonly<Record<string, unknown>>): IssuedToken | undefined {
  const { access_token: token, expires_in: expiresIn = untoldLifeSeconds, token_type: type } = answer;
  if (typeof token !== "string" || !tokenGrammar.test(token)) return undefined;
  if (typeof type !== "string" || type.toLowerCase() !== "bearer") return undefined;
  if (typeof expiresIn !== "number" || !(expiresIn > 0)) return undefined;
  return { token, lifeMs: Math.min(expiresIn, maxLifeSeconds) * 1000 };
}
